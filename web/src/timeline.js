// timeline.js: one call's whole life in a dialog: its events, and what the PBX was told.
import { get } from './api.js';
import { $, el } from './dom.js';
import { clock, duration, stateName, stateOf, t } from './i18n.js';

function facts(call) {
    const pairs = [['caller', call.their_number], ['our', call.our_number], ['direction', call.direction],
        ['queue', call.queue], ['agent', call.actor]];
    return el('dl', { class: 'facts' }, ...pairs.filter(([, value]) => value).map(([key, value]) =>
        el('div', {}, el('dt', {}, t(key)), el('dd', {}, value))));
}

const details = (body) =>
    el('details', {}, el('summary', {}, t('body')), el('pre', { tabindex: '0' }, JSON.stringify(body, null, 2)));

function entry(time, first, state, title, more, body) {
    return el('li', { 'data-state': state },
        el('time', { datetime: new Date(time).toISOString() }, clock(time)),
        el('span', { class: 'after' }, t('after', { t: duration(time - first) })),
        el('div', {}, el('span', { class: 'chip' }, title), more ? el('span', { class: 'more' }, more) : null,
            details(body)));
}

function actionText(action) {
    const parts = [t(`a_${action.state}`)];
    if (action.http_status)
        parts.push(t('answeredBy', { status: action.http_status }));
    if (action.attempts > 1)
        parts.push(t('attempts', { n: action.attempts }));
    if (action.detail)
        parts.push(action.detail);
    return parts.join(' · ');
}

/** Events and actions in one list, by time; an action stands behind the event that asked for it. */
function history({ events, actions }) {
    const first = events.length > 0 ? Date.parse(events[0].time) : 0;
    const entries = events.map((event) => ({
        time: Date.parse(event.time),
        make: () => entry(Date.parse(event.time), first, stateOf(event.type) ?? 'other', stateName(event.type), '', event.body),
    }));
    for (const action of actions) {
        const asked = events.find((event) => event.id === action.event);
        const time = asked ? Date.parse(asked.time) : Date.parse(action.asked);
        const place = entries.findLastIndex((other) => other.time <= time) + 1;
        entries.splice(place, 0, {
            time,
            make: () => entry(time, first, 'action', `${t('actions')}: ${action.body?.destination ?? action.body?.type ?? ''}`, actionText(action), action.body),
        });
    }
    return el('ol', { class: 'timeline' }, ...entries.map((item) => item.make()));
}

let asked = '';

export async function openTimeline(callId) {
    const dialog = $('timeline'), body = $('timeline-body');
    asked = callId;
    $('timeline-title').textContent = t('timelineOf', { id: callId });
    body.replaceChildren(el('p', { class: 'empty' }, t('loading')));
    if (!dialog.open)
        dialog.showModal();
    try {
        const { data } = await get(`api/calls/${encodeURIComponent(callId)}`);
        if (asked === callId)
            body.replaceChildren(data.call ? facts(data.call) : '', history(data));
    } catch (error) {
        if (asked === callId)
            body.replaceChildren(el('p', { class: 'empty' }, t(error.status === 404 ? 'gone' : 'failed')));
    }
}

export function start() {
    const dialog = $('timeline');
    $('timeline-close').addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => {
        if (event.target === dialog) // the backdrop
            dialog.close();
    });
}
