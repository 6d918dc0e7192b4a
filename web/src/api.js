// api.js: asks the server. The address is the page's own; a token, if there is one, stays in this tab.
const TOKEN = 'pbxhook.token';

export class HttpError extends Error {
    constructor(status) {
        super(`HTTP ${status}`);
        this.status = status;
    }
}

export const setToken = (token) => sessionStorage.setItem(TOKEN, token);

function headers(more = {}) {
    const token = sessionStorage.getItem(TOKEN);
    return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

/** The server's clock minus ours, in ms: timers run by its clock. Dates are whole seconds, so small is none. */
let skew = 0;
export const serverNow = () => Date.now() + skew;

function noteDate(response) {
    const date = Date.parse(response.headers.get('date') ?? '');
    if (!Number.isNaN(date))
        skew = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
}

/** Opens a path; throws HttpError, or TypeError when the server can't be reached. */
export async function open(path, options = {}) {
    const response = await fetch(path, { cache: 'no-store', ...options, headers: headers(options.headers) });
    noteDate(response);
    if (!response.ok)
        throw new HttpError(response.status);
    return response;
}

export const get = async (path) => (await open(path, { signal: AbortSignal.timeout(10000) })).json();
