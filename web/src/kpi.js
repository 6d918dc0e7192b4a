// kpi.js: the day's indicators, the queues side by side, and the charts.
import { get, serverNow } from './api.js';
import { queuesNow } from './calls.js';
import { drawCalls, drawWaits, legend } from './charts.js';
import { $, el, reconcile, text } from './dom.js';
import { clock, duration, number, percent, t } from './i18n.js';

const HOUR = 3600000;
const spans = { hour: { bucket: '1m' }, day: { bucket: '15m' } };

let span = localStorage.getItem('pbxhook.span');
let answer = null;   // of the whole day: the numbers and the queues
let charted = null;  // of the span that is shown

const midnight = () => new Date(serverNow()).setHours(0, 0, 0, 0);
const from = (name) => (name === 'hour' ? Math.floor((serverNow() - HOUR) / 60000) * 60000 : midnight());
const ask = async (name) =>
    (await get(`api/dashboard/kpi?from=${from(name)}&bucket=${spans[name].bucket}`)).data;

/** A day that began within the hour is shown as an hour, until somebody chooses. */
function chooseSpan() {
    if (span)
        return span;
    const first = answer.buckets.find((bucket) => bucket.offered > 0);
    return !first || serverNow() - Date.parse(first.time) < HOUR ? 'hour' : 'day';
}

export async function loadKpi() {
    answer = await ask('day');
    charted = chooseSpan() === 'day' ? answer : await ask('hour');
}

// ---- The day's numbers ------------------------------------------------------------------------------

function showNumbers() {
    const { all } = answer;
    const { seconds, target } = answer.service_level;
    text($('n-level'), percent(all.service_level));
    text($('s-level'), t('target', { p: percent(target), t: `${seconds} s` }));
    $('p-level').value = all.service_level ?? 0;
    $('p-level').setAttribute('aria-label', t('level'));
    $('p-level').dataset.ok = all.service_level == null || all.service_level >= target;
    text($('n-answered'), number(all.answered));
    text($('s-answered'), t('of', { n: number(all.offered) }));
    text($('n-abandoned'), number(all.abandoned));
    text($('s-abandoned'), t('short', { p: percent(all.abandon_rate), n: number(all.short_abandoned) }));
    text($('n-speed'), duration(all.speed_of_answer_ms));
    text($('s-speed'), t('max', { t: duration(all.max_wait_ms) }));
    text($('n-talk'), duration(all.talk_time_ms));
    text($('s-talk'), t('handle', { t: duration(all.handle_time_ms) }));
    text($('s-callers'), all.new_caller_share == null ? '' : t('newShare', { p: percent(all.new_caller_share) }));
}

// ---- Queues -----------------------------------------------------------------------------------------

const liveColumns = ['waiting', 'talking'];
const dayColumns = ['offered', 'answered', 'abandoned', 'level', 'avgWait'];
const columns = () => (answer ? [...liveColumns, ...dayColumns] : liveColumns);

function queueRows() {
    const live = queuesNow();
    const day = answer?.queues ?? {};
    const names = [...new Set([...Object.keys(day), ...(live?.keys() ?? [])])].filter((name) => name !== '');
    return names.sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).map((name) => {
        const now = live && (live.get(name) ?? { waiting: 0, talking: 0, since: null });
        const kpi = day[name];
        return {
            name,
            waiting: now?.waiting ?? 0,
            cells: [
                ...(now ? [[number(now.waiting), now.since], [number(now.talking)]] : [['–'], ['–']]),
                ...(answer ? [[number(kpi?.offered ?? 0)], [number(kpi?.answered ?? 0)], [number(kpi?.abandoned ?? 0)],
                    [percent(kpi?.service_level)], [duration(kpi?.speed_of_answer_ms)]] : []),
            ],
        };
    });
}

function makeRow(row) {
    return el('tr', {}, el('th', { scope: 'row' }, row.name),
        ...row.cells.map(() => el('td', {}, el('b', {}), el('small', {}))));
}

function updateRow(element, row) {
    element.dataset.waiting = row.waiting > 0;
    row.cells.forEach(([value, since], index) => {
        const [value_, timer] = element.cells[index + 1].children;
        text(value_, value);
        if (since)
            timer.dataset.since = since;
        else {
            delete timer.dataset.since;
            text(timer, '');
        }
    });
}

export function showQueues({ anew = false } = {}) {
    const wanted = columns();
    if (anew || $('queue-head').children.length !== wanted.length + 1) {
        $('queue-rows').replaceChildren();
        $('queue-head').replaceChildren(el('th', { scope: 'col' }, t('queue')),
            ...wanted.map((key) => el('th', { scope: 'col' }, t(key))));
    }
    reconcile($('queue-rows'), queueRows(), (row) => row.name, makeRow, updateRow);
}

// ---- Charts -----------------------------------------------------------------------------------------

const sum = (buckets, name) => buckets.reduce((total, bucket) => total + bucket[name], 0);

export function showCharts() {
    if (!charted)
        return;
    const name = charted === answer ? 'day' : 'hour';
    const buckets = charted.buckets;
    const start = from(name) / 1000;
    const end = name === 'day' ? start + 24 * 3600 : serverNow() / 1000;
    for (const button of document.querySelectorAll('[data-span]'))
        button.setAttribute('aria-pressed', button.dataset.span === name);
    drawCalls($('calls-chart'), buckets, start, end);
    drawWaits($('wait-chart'), buckets, start, end);
    $('legend').replaceChildren(...legend());
    $('calls-chart').setAttribute('aria-label', t('chartCalls', {
        from: clock(start * 1000, false), to: clock(serverNow(), false), offered: sum(buckets, 'offered'),
        answered: sum(buckets, 'answered'), abandoned: sum(buckets, 'abandoned'),
    }));
    $('wait-chart').setAttribute('aria-label', t('chartWait', {
        max: duration(Math.max(0, ...buckets.map((bucket) => bucket.speed_of_answer_ms ?? 0))),
    }));
}

export function showKpi() {
    const known = answer != null;
    for (const tile of document.querySelectorAll('[data-kpi]'))
        tile.hidden = !known;
    document.body.dataset.indicators = known;
    $('day').hidden = !known;
    if (known)
        showNumbers();
    showCharts();
    showQueues();
}

export function start(redraw) {
    for (const button of document.querySelectorAll('[data-span]'))
        button.addEventListener('click', async () => {
            span = button.dataset.span;
            localStorage.setItem('pbxhook.span', span);
            await loadKpi();
            redraw();
        });
}
