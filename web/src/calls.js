// calls.js: the active calls with their timers, and what is made of them: who waits, who talks, the longest.
import { get, serverNow } from './api.js';
import { $, el, reconcile, text } from './dom.js';
import { duration, number, stateName, stateOf, t } from './i18n.js';
import { openTimeline } from './timeline.js';
import { tick } from './timers.js';

const ROWS = 100;         // on the page
const ALL_AT_MOST = 2000; // more active calls than that are not fetched all

const order = { waiting: 0, standby: 1, new: 2, entered: 3, ongoing: 4, left: 5 };

let calls = [];
let total = 0;
let areAll = true; // else they are the newest, and who waits longest is not among them

export async function loadCalls(active) {
    total = active;
    areAll = active <= ALL_AT_MOST;
    if (areAll)
        calls = Object.values((await get('api/calls/active')).data);
    else
        calls = (await get('api/calls?status=active&limit=200')).data;
    for (const call of calls) {
        call.state = stateOf(call.status);
        call.since = Date.parse(call.status_time);
    }
    // Those who wait first, the longest first; then the others, the longest first.
    calls.sort((a, b) => order[a.state] - order[b.state] || a.since - b.since);
}

export const activeCalls = () => calls;

function makeRow(call) {
    const name = el('button', { type: 'button', class: 'call', onclick: () => openTimeline(call.call_id) });
    return el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, el('span', { class: 'chip' })),
        el('td', { class: 'queue' }), el('td', { class: 'agent' }), el('td', { class: 'time' }, el('span', {})));
}

function updateRow(row, call) {
    const [caller, state, queue, agent, time] = row.cells;
    text(caller.firstElementChild, call.their_number || call.call_id);
    caller.firstElementChild.title = t('timelineOf', { id: call.call_id });
    row.dataset.state = call.state;
    text(state.firstElementChild, stateName(call.status));
    text(queue, call.queue || '–');
    text(agent, call.actor || '–');
    time.firstElementChild.dataset.since = call.since;
}

export function showCalls() {
    const shown = calls.slice(0, ROWS);
    reconcile($('call-rows'), shown, (call) => call.call_id, makeRow, updateRow);
    $('no-calls').hidden = calls.length > 0;
    text($('calls-note'), shown.length < total ? t('newest', { n: number(shown.length), m: number(total) }) : '');

    const waiting = calls.filter((call) => call.state === 'waiting');
    const oldest = calls.reduce((least, call) => Math.min(least, Date.parse(call.created)), Infinity);
    const longest = waiting[0] ? serverNow() - waiting[0].since : null;
    const isKnown = areAll && calls.length > 0;
    text($('s-waiting'), !areAll ? '' : longest == null ? t('none') : t('longest', { t: duration(longest) }));
    text($('s-active'), isKnown ? t('since', { t: duration(serverNow() - oldest) }) : '');
    tick();
}

/** Per queue: how many wait and talk, and since when the first of them waits; null when not all calls are known. */
export function queuesNow() {
    if (!areAll)
        return null;
    const queues = new Map();
    for (const call of calls) {
        if (!call.queue)
            continue;
        const queue = queues.get(call.queue) ?? { waiting: 0, talking: 0, since: null };
        if (call.state === 'waiting') {
            queue.waiting++;
            queue.since ??= call.since;
        }
        if (call.state === 'entered' || call.state === 'ongoing')
            queue.talking++;
        queues.set(call.queue, queue);
    }
    return queues;
}

export function showHeads() {
    $('call-head').replaceChildren(...['caller', 'state', 'queue', 'agent', 'inState'].map((key) =>
        el('th', { scope: 'col', class: key === 'inState' ? 'time' : null }, t(key))));
}
