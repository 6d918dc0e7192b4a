// main.js: puts the page together: the stream says that something changed, then what is shown is asked for,
// once a second at most; without news, every ten seconds.
import '@fontsource-variable/inter/wght.css';
import './app.css';

import { HttpError, get, serverNow, setToken } from './api.js';
import { activeCalls, loadCalls, showCalls, showHeads } from './calls.js';
import { $, el, text } from './dom.js';
import { loadEvents, showEvents } from './events.js';
import { clock, getLanguage, number, setLanguage, states, t } from './i18n.js';
import * as kpi from './kpi.js';
import { follow } from './stream.js';
import * as timeline from './timeline.js';
import * as timers from './timers.js';

const REFRESH_MS = 1000, IDLE_MS = 10000, KPI_MS = 5000, POLL_MS = 3000;
const CUT_AFTER_MS = 2000; // a cut that is mended sooner is nobody's business

let counts = null;

// ---- How the server is ------------------------------------------------------------------------------

const link = { state: 'connecting', since: Date.now(), away: null, polling: false };

function showLink() {
    const state = link.state === 'live' && link.away ? 'away' : link.state;
    $('link').dataset.state = state;
    text($('link').lastElementChild, t(state));
    const time = (ms) => clock(new Date(ms));
    let banner = '';
    if (state === 'cut')
        banner = link.polling ? t('bannerPoll') : t('bannerCut', { time: time(link.since) });
    else if (state === 'away')
        banner = t('bannerAway', { time: time(link.away) });
    $('banner').hidden = banner === '';
    text($('banner'), banner);
    document.body.dataset.link = state;
}

function setLink(state) {
    if (link.state !== state)
        link.since = Date.now();
    link.state = state;
    if (state === 'live')
        link.polling = false;
    showLink();
}

function setAway(away) {
    link.away = away ? link.away ?? Date.now() : null;
    showLink();
}

// ---- The counts -------------------------------------------------------------------------------------

function makeState(state) {
    return el('li', { 'data-state': state }, el('b', {}), el('span', {}), el('i', { 'aria-hidden': 'true' }));
}

function showCounts() {
    if (!counts)
        return;
    const { eventCall, activeCallsCount, userCount } = counts;
    if ($('state-list').children.length === 0)
        $('state-list').append(...states.map(makeState));
    const most = Math.max(1, ...states.slice(0, -1).map((state) => eventCall[state]));
    states.forEach((state, index) => {
        const item = $('state-list').children[index];
        text(item.children[0], number(eventCall[state]));
        text(item.children[1], t(`s_${state}`));
        item.children[2].style.setProperty('--part', state === 'finished' ? 0 : eventCall[state] / most);
        item.dataset.count = eventCall[state];
    });
    text($('n-waiting'), number(eventCall.waiting));
    text($('n-talking'), number(eventCall.entered + eventCall.ongoing));
    text($('n-active'), number(activeCallsCount));
    text($('n-callers'), number(userCount));
    $('n-waiting').closest('.tile').dataset.hot = eventCall.waiting > 0;
    const all = activeCallsCount + eventCall.finished;
    text($('s-talking'), t('inAll', { n: number(all) }));
    document.title = `${number(activeCallsCount)} · pbxhook`;
}

function takeCounts(data) {
    counts = data;
    setAway(false);
    showCounts();
}

// ---- Everything else, when it is time ---------------------------------------------------------------

let wanted = false, running = false, lastKpi = 0;

async function showDeadLetters() {
    try {
        const { count } = (await get('api/dead-letters')).data;
        $('dead-letters').hidden = count === 0;
        text($('dead-letters'), t('deadLetters', { n: number(count) }));
    } catch {
        $('dead-letters').hidden = true;
    }
}

async function load() {
    if (counts)
        await loadCalls(counts.activeCallsCount);
    await loadEvents();
    if (Date.now() - lastKpi >= KPI_MS) {
        lastKpi = Date.now();
        await Promise.all([kpi.loadKpi(), showDeadLetters()]);
    }
}

function show() {
    showCounts();
    showCalls();
    showEvents();
    kpi.showKpi();
}

/** Loads and shows what is there now; a wish that comes meanwhile is one more round. */
async function refresh() {
    wanted = true;
    if (running)
        return;
    running = true;
    while (wanted) {
        wanted = false;
        const begun = Date.now();
        try {
            await load();
            show();
        } catch (error) {
            if (error instanceof HttpError && error.status === 401)
                askForToken();
            else if (error instanceof HttpError && error.status === 503)
                setAway(true);
            // Anything else: the stream tells, and the next round tries again.
        }
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, begun + REFRESH_MS - Date.now())));
    }
    running = false;
}

// ---- The stream -------------------------------------------------------------------------------------

let opened = false;

async function poll() {
    try {
        takeCounts((await get('api/dashboard/count')).data);
        link.polling = true;
        showLink();
        refresh();
    } catch (error) {
        link.polling = false;
        showLink();
    }
}

function listen() {
    let cutTimer = 0, pollTimer = 0;
    follow('api/dashboard/stream', {
        open() {
            clearTimeout(cutTimer);
            clearInterval(pollTimer);
            cutTimer = pollTimer = 0;
            opened = true;
            setLink('live');
            refresh();
        },
        event({ type, data }) {
            if (type === 'counts') {
                takeCounts(JSON.parse(data).data);
                refresh();
            } else if (type === 'store') {
                setAway(!JSON.parse(data).available);
            }
        },
        async cut(status) {
            if (status === 401)
                return askForToken();
            cutTimer ||= setTimeout(() => {
                setLink('cut');
                pollTimer ||= setInterval(poll, POLL_MS); // a proxy may cut streams and nothing else
            }, opened ? CUT_AFTER_MS : 0);
        },
    });
}

/** Resolves when a token was given: the server wants one, and Basic's own dialog did not come or was left. */
function askForToken() {
    const dialog = $('sign-in');
    if (!dialog.open)
        dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
}

function startSignIn() {
    $('sign-in-form').addEventListener('submit', (event) => {
        event.preventDefault(); // the token goes nowhere but into this tab's requests
        setToken($('token').value.trim());
        $('sign-in').close();
        refresh();
    });
}

// ---- Looks ------------------------------------------------------------------------------------------

const themes = ['auto', 'light', 'dark'];

function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem('pbxhook.theme', theme);
    const button = $('theme');
    button.textContent = { auto: '◐', light: '☀', dark: '☾' }[theme];
    button.setAttribute('aria-label', t(`theme_${theme}`));
    button.title = t(`theme_${theme}`);
    kpi.showCharts(); // a canvas has no style sheet
}

function speak(language) {
    setLanguage(language);
    const button = $('language');
    button.textContent = t('other');
    button.setAttribute('aria-label', t('otherName'));
    button.title = t('otherName');
    setTheme(localStorage.getItem('pbxhook.theme') ?? 'auto');
    showHeads();
    showLink();
    kpi.showQueues({ anew: true });
    if (counts) {
        show();
        showEvents({ anew: true });
    }
}

function showClock() {
    const now = new Date(serverNow());
    text($('clock'), clock(now));
    $('clock').dateTime = now.toISOString();
}

function start() {
    text($('place'), location.host);
    speak(localStorage.getItem('pbxhook.language') ?? (navigator.language.startsWith('pt') ? 'pt' : 'en'));
    $('language').addEventListener('click', () => {
        const language = getLanguage() === 'pt' ? 'en' : 'pt';
        localStorage.setItem('pbxhook.language', language);
        speak(language);
    });
    $('theme').addEventListener('click', () =>
        setTheme(themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length]));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', kpi.showCharts);
    addEventListener('resize', kpi.showCharts);
    timeline.start();
    startSignIn();
    kpi.start(show);
    timers.start();
    showClock();
    setInterval(showClock, 1000);
    setInterval(() => {
        if (activeCalls().length > 0 || link.state === 'live')
            refresh();
    }, IDLE_MS);
    listen();
}

start();
