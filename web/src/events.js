// events.js: the newest events, as they are stored.
import { get } from './api.js';
import { $, el, reconcile } from './dom.js';
import { clock, stateName, stateOf } from './i18n.js';
import { openTimeline } from './timeline.js';

const SHOWN = 40;

let events = [];
let next = null; // where to go on, as the server said

/** A member of the event's own object, in either envelope. */
const member = (event, name) => event.body?.chamada?.[name] ?? event.body?.[name];

export async function loadEvents() {
    const answer = await get(next == null ? `api/events?limit=${SHOWN}` : `api/events?after=${next}&limit=500`);
    next = answer.next;
    events = [...answer.data.reverse(), ...events].slice(0, SHOWN);
    if (answer.data.length === 500)
        next = null; // far behind: go on from the newest
}

function make(event) {
    const caller = member(event, 'their_number') || event.call_id;
    return el('li', { 'data-state': stateOf(event.type) ?? 'other' },
        el('button', { type: 'button', class: 'event', onclick: () => openTimeline(event.call_id) },
            el('time', { datetime: event.time }, clock(new Date(event.received))),
            el('span', { class: 'chip' }, stateName(event.type)), el('span', { class: 'who' }, caller)));
}

export function showEvents({ anew = false } = {}) {
    if (anew)
        $('event-list').replaceChildren();
    reconcile($('event-list'), events, (event) => event.id, make);
    $('no-events').hidden = events.length > 0;
}
