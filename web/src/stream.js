// stream.js: the live stream. Read with fetch and not with EventSource, which can't send a token, hides the
// status of a refusal, and takes a server that fell silent for one that has nothing to say.
import { HttpError, open } from './api.js';

const SILENCE_MS = 40000; // a heartbeat comes every 15 s
const RETRY_MS = [500, 1000, 2000, 4000, 5000];

/** Splits a text/event-stream; calls event({id, type, data}) for each event. */
export function parser(event) {
    let rest = '', id = null, type = '', data = [];
    return (text) => {
        const lines = (rest + text).split(/\r\n|\r|\n/);
        rest = lines.pop();
        for (const line of lines) {
            const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
            if (line === '') {
                if (data.length > 0)
                    event({ id, type: type || 'message', data: data.join('\n') });
                type = '';
                data = [];
            } else if (name === 'id') {
                id = value;
            } else if (name === 'event') {
                type = value;
            } else if (name === 'data') {
                data.push(value);
            }
        }
    };
}

/**
 * Follows the stream for ever. on.event(event); on.open(); on.cut(error) each time it ends, after which it
 * is opened again by itself, sooner when the browser says that the network is back.
 */
export function follow(path, on) {
    let lastId = null, failures = 0, wake = () => {};

    const pause = (ms) => new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, ms);
    });

    async function once() {
        const abort = new AbortController();
        let timer;
        const alive = () => {
            clearTimeout(timer);
            timer = setTimeout(() => abort.abort(), SILENCE_MS);
        };
        try {
            alive();
            const response = await open(path, {
                signal: abort.signal,
                headers: lastId ? { 'Last-Event-ID': lastId } : {},
            });
            const feed = parser((event) => {
                lastId = event.id ?? lastId;
                on.event(event);
            });
            const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
            failures = 0;
            on.open();
            for (;;) {
                const { value, done } = await reader.read();
                if (done)
                    throw new Error('the server ended the stream');
                alive();
                feed(value);
            }
        } finally {
            clearTimeout(timer);
            abort.abort();
        }
    }

    (async () => {
        for (;;) {
            try {
                await once();
            } catch (error) {
                await on.cut(error instanceof HttpError ? error.status : 0);
            }
            const ms = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
            await pause(ms * (0.75 + Math.random() / 2)); // a wall of walls does not come back as one
        }
    })();
    addEventListener('online', () => wake());
}
