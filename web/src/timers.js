// timers.js: every running time on the page: elements with data-since show how long ago that is.
import { serverNow } from './api.js';
import { text } from './dom.js';
import { duration } from './i18n.js';

export function tick() {
    const now = serverNow();
    for (const element of document.querySelectorAll('[data-since]'))
        text(element, duration(now - Number(element.dataset.since)));
}

export function start() {
    setInterval(tick, 1000);
}
