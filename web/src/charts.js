// charts.js: the two charts over time, drawn by uPlot in the page's own colours.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { el } from './dom.js';
import { clock, duration, t } from './i18n.js';

const charts = new Map(); // element -> uPlot

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

/** Calls not ended yet are the difference between the first and the others. */
const layers = [['offered', 'offered'], ['abandoned', 'lost'], ['answered', 'talk']];

export const legend = () => layers.map(([key, name]) => el('li', { class: `key ${name}` }, t(key)));

function axes(valueText) {
    const common = {
        stroke: colour('dim'),
        font: `${0.72 * rem()}px "Inter Variable", system-ui, sans-serif`,
        grid: { stroke: colour('line'), width: 1 },
        ticks: { show: false },
    };
    return [
        { ...common, grid: { show: false }, size: 1.6 * rem(), space: 4.5 * rem(), values: (_, ticks) => ticks.map((s) => clock(s * 1000, false)) },
        { ...common, size: 2.6 * rem(), space: 2.2 * rem(), values: (_, ticks) => ticks.map(valueText) },
    ];
}

function draw(element, options, data, start, end) {
    charts.get(element)?.destroy();
    const chart = new uPlot({
        width: element.clientWidth,
        height: element.clientHeight,
        padding: [0.6 * rem(), 1.4 * rem(), 0, 0],
        legend: { show: false },
        cursor: { show: false },
        ...options,
        scales: { x: { time: true, range: () => [start, end] }, y: { range: (_, min, max) => [0, Math.max(options.least, max * 1.08)] } },
    }, data, element);
    charts.set(element, chart);
}

const times = (buckets) => buckets.map((bucket) => Date.parse(bucket.time) / 1000);

/** Bars one over the other: answered at the foot, abandoned on it, behind them what was offered. */
export function drawCalls(element, buckets, start, end) {
    const bars = uPlot.paths.bars({ size: [0.8, 40], align: 1, radius: 0.15 });
    const series = (name) => ({ paths: bars, fill: colour(name), width: 0, points: { show: false } });
    draw(element, {
        least: 4,
        axes: axes((n) => (Number.isInteger(n) ? String(n) : '')),
        series: [{}, series('offered'), series('lost'), series('talk')],
    }, [
        times(buckets),
        buckets.map((bucket) => bucket.offered),
        buckets.map((bucket) => bucket.answered + bucket.abandoned),
        buckets.map((bucket) => bucket.answered),
    ], start, end);
}

export function drawWaits(element, buckets, start, end) {
    draw(element, {
        least: 10,
        axes: axes((s) => duration(s * 1000)),
        series: [{}, {
            stroke: colour('wait'), width: 2, fill: colour('wait-soft'), spanGaps: false,
            paths: uPlot.paths.stepped({ align: 1 }), points: { show: false },
        }],
    }, [times(buckets), buckets.map((bucket) => (bucket.speed_of_answer_ms == null ? null : bucket.speed_of_answer_ms / 1000))],
    start, end);
}
