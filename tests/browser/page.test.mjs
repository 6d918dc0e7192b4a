// page.test.mjs: what a supervisor sees. Each number on the page is compared with the API's, in one world:
// the tests run in this order, and each leaves the server running.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { Browser, World, database, psql, screenshots, until } from './world.mjs';

const require = createRequire(import.meta.url);
const states = ['new', 'standby', 'waiting', 'entered', 'ongoing', 'left', 'finished'];

let world, browser;

before(async () => {
    [world, browser] = await Promise.all([World.create(), Browser.create()]);
    await world.restartWithPbx();
});
after(async () => {
    await browser?.close();
    await world?.close();
});

const text = (page, selector) => page.locator(selector).textContent();
const linkIs = (page, state) => until(`the link to be ${state}`, async () => (await page.getAttribute('#link', 'data-state')) === state);

async function closePage(page) {
    assert.deepEqual(page.wrong, []);
    await page.context().close();
}

/** The numbers on the page, as the API names them. */
async function shown(page) {
    const number = async (selector) => Number((await text(page, selector)).replace(/\D/g, ''));
    const eventCall = {};
    for (const [index, state] of states.entries())
        eventCall[state] = await number(`#state-list li:nth-child(${index + 1}) b`);
    return { userCount: await number('#n-callers'), activeCallsCount: await number('#n-active'), eventCall };
}

async function showsTheCounts(page) {
    await until('the page to show what the API says', async () => {
        const wanted = (await world.get('/api/dashboard/count')).data;
        const got = await shown(page);
        return JSON.stringify(got) === JSON.stringify(wanted);
    });
}

async function checkAccessibility(page, where = '') {
    await page.evaluate(await readFile(require.resolve('axe-core/axe.min.js'), 'utf8'));
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }));
    assert.deepEqual(violations.map(({ id, nodes }) => [where, id, nodes.map((node) => node.html.slice(0, 120))]), []);
}

async function screenshot(page, name) {
    if (screenshots)
        await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

test('an empty server says so', async () => {
    const page = await browser.open(world.url);
    await linkIs(page, 'live');
    await until('the empty lists', async () =>
        await page.isVisible('#no-calls') && await page.isVisible('#no-events'));
    await showsTheCounts(page);
    await checkAccessibility(page);
    await closePage(page);
});

test('a call is followed from its first event to its last', async () => {
    const page = await browser.open(world.url);
    const row = page.locator('#call-rows tr');
    const caller = { their_number: '5511987654321', our_number: '0800111111', direction: 'inbound' };
    const steps = [['call.new', 'New'], ['call.standby', 'Standby'], ['call.waiting', 'Waiting'],
        ['actor.entered', 'Agent in'], ['call.ongoing', 'Talking'], ['actor.left', 'Agent left']];

    await linkIs(page, 'live');
    for (const [type, chip] of steps) {
        await world.post(type, 'call <b>1</b>', { ...caller, ...(type === 'call.waiting' ? { queue: '901' } : {}),
            ...(type === 'actor.entered' ? { actor: 'Ana' } : {}) });
        await until(`the row to say ${chip}`, async () =>
            await row.count() === 1 && (await row.locator('.chip').textContent()) === chip);
    }
    assert.deepEqual(await row.locator('th, td').evaluateAll((cells) => cells.slice(0, 4).map((cell) => cell.textContent)),
        ['5511987654321', 'Agent left', '901', 'Ana']);
    const timer = () => row.locator('.time').textContent();
    const first = await timer();
    await until('the timer to run', async () => (await timer()) !== first);

    // By keyboard: to the row's button, into its timeline and out again.
    await row.locator('button').focus();
    await page.keyboard.press('Enter');
    await until('the timeline', async () =>
        (await page.locator('.timeline > li').count()) >= 7 || Promise.reject(new Error(await text(page, '#timeline'))));
    assert.match(await text(page, '#timeline-title'), /call <b>1<\/b>/); // a call's text is never markup
    const chips = await page.locator('.timeline .chip').allTextContents();
    assert.deepEqual(chips.filter((chip) => !chip.startsWith('Told')), steps.map(([, chip]) => chip));
    assert.ok(chips.some((chip) => chip === 'Told to the PBX: 901'), chips.join());
    await checkAccessibility(page);
    await page.keyboard.press('Escape');
    assert.equal(await page.isVisible('#timeline'), false);
    assert.equal(await page.evaluate(() => document.activeElement.className), 'call');

    await world.post('call.finished', 'call <b>1</b>', caller);
    await until('the row to go', async () => (await row.count()) === 0);
    assert.match(await text(page, '#event-list li:first-child'), /Finished/);
    await showsTheCounts(page);
    await closePage(page);
});

test('the numbers are the API’s while calls run, and the page asks nobody else', async () => {
    const page = await browser.open(world.url, { width: 1920, height: 1080 });
    await linkIs(page, 'live');
    await world.stopPbx();
    await world.startPbx(['--calls', '40', '--rate', '20', '--step-ms', '50-400', '--talk-ms', '200-1500']);
    await until('calls', async () => (await world.get('/api/dashboard/count')).data.activeCallsCount > 5);
    await until('the page to move', async () => (await shown(page)).activeCallsCount > 5);
    await until('the calls to end', async () => {
        const { data } = await world.get('/api/dashboard/count');
        return data.activeCallsCount === 0 && data.eventCall.finished > 30;
    });
    await showsTheCounts(page);
    const { data } = await world.get('/api/calls?status=finished&limit=500');
    assert.equal(data.length, (await shown(page)).eventCall.finished);
    assert.deepEqual([...new Set(page.asked.map((url) => new URL(url).origin))], [world.url]);
    await closePage(page);
});

test('a cut stream is said, and it comes back by itself', async () => {
    const page = await browser.open(world.url);
    await linkIs(page, 'live');
    await showsTheCounts(page);
    await world.server.stop('SIGKILL');
    await linkIs(page, 'cut');
    assert.match(await text(page, '#banner'), /live stream is cut since/);
    await checkAccessibility(page);
    await world.startServer();
    await world.post('call.new', 'after the cut', { their_number: '1100000000' });
    await linkIs(page, 'live');
    assert.equal(await page.isVisible('#banner'), false);
    await showsTheCounts(page);
    await closePage(page);
});

/** Makes it so by the database alone. */
const databaseTests = {
    async 'a database that is away is said, and the numbers stay'() {
        const page = await browser.open(world.url);
        await linkIs(page, 'live');
        await showsTheCounts(page);
        const before = await shown(page);
        await psql('postgres', 'ALTER DATABASE wall ALLOW_CONNECTIONS false',
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = 'wall'");
        await linkIs(page, 'away');
        assert.match(await text(page, '#banner'), /database can’t be read since/);
        assert.deepEqual(await shown(page), before);
        await checkAccessibility(page);
        await world.post('call.new', 'while it was away', { their_number: '1100000001' }); // taken all the same
        await psql('postgres', 'ALTER DATABASE wall ALLOW_CONNECTIONS true');
        await linkIs(page, 'live');
        await until('the banner to go', async () => !await page.isVisible('#banner'));
        await until('the call', async () => (await shown(page)).activeCallsCount > before.activeCallsCount);
        await showsTheCounts(page);
        await closePage(page);
    },
    async 'dead letters are shown, until there are none'() {
        const page = await browser.open(world.url);
        await linkIs(page, 'live');
        assert.equal(await page.isVisible('#dead-letters'), false);
        await psql('wall', `INSERT INTO pbxhook.handlings (event_id, plugin, state, attempts, due_at, failed_at, error)
            SELECT min(id), 'call_new', 'dead', 1, now(), now(), 'a test' FROM pbxhook.events`);
        await until('the dead letter', async () => await text(page, '#dead-letters') === 'Dead letters: 1');
        await checkAccessibility(page);
        await psql('wall', 'DELETE FROM pbxhook.handlings');
        await until('it to go', async () => !await page.isVisible('#dead-letters'));
        await closePage(page);
    },
};
if (database) {
    for (const [name, check] of Object.entries(databaseTests))
        test(name, check);
}

/** An hour's calls that were, as a PBX would post them after a cut; one in twelve hangs up in vain. */
async function postAnHour() {
    const begin = Date.now() - 58 * 60000;
    const calls = Array.from({ length: 320 }, (_, i) => {
        const at = begin + Math.round(57 * 60000 * (i / 320) ** 0.85);
        const wait = (3 + (i * 37) % 22 + (i % 9 === 0 ? 25 : 0)) * 1000;
        const caller = { their_number: `5511${900000000 + (i * 7919) % 200}`, queue: i % 3 === 0 ? '901' : '900' };
        const end = i % 12 === 5 ? at + wait : at + wait + (40 + (i * 53) % 150) * 1000;
        const events = [['call.new', at - 2000], ['call.waiting', at]];
        if (i % 12 !== 5)
            events.push(['call.ongoing', at + wait], ['actor.left', end - 1000]);
        events.push(['call.finished', end]);
        return { id: `past-${i}`, caller, events: events.filter(([, time]) => time < Date.now()) };
    });
    const next = calls[Symbol.iterator]();
    await Promise.all(Array.from({ length: 16 }, async () => {
        for (const { id, caller, events } of next)
            for (const [type, time] of events)
                await world.post(type, id, { ...caller, timestamp: new Date(time).toISOString() });
    }));
    return calls;
}

test('the indicators are those of the API', async () => {
    const calls = await postAnHour();
    const abandoned = calls.filter(({ events }) => events.at(-1)[0] === 'call.finished' && events.length === 3).length;
    const from = Date.now() - 3600000;
    const kpi = async () => (await world.get(`/api/dashboard/kpi?from=${from}`)).data;
    await until('the calls to be counted', async () => (await kpi()).all.abandoned === abandoned);
    const page = await browser.open(world.url, { before: () => localStorage.setItem('pbxhook.span', 'hour') });
    await until('the charts', async () => (await page.locator('.chart canvas').count()) === 2);
    const midnight = new Date().setHours(0, 0, 0, 0);
    await until('the page to show what the API says', async () => {
        const { all, queues } = (await world.get(`/api/dashboard/kpi?from=${midnight}`)).data;
        return await text(page, '#n-answered') === String(all.answered)
            && await text(page, '#n-abandoned') === String(all.abandoned)
            && await text(page, '#n-level') === `${Math.round(all.service_level * 100)}%`
            && await page.locator('#queue-rows tr', { hasText: '901' }).locator('td').nth(2).textContent() === String(queues['901'].offered);
    });
    assert.match(await page.getAttribute('#calls-chart', 'aria-label'), /^Calls from .* offered, .* answered, .* abandoned\.$/);
    await closePage(page);
});

test('both themes and both languages, from a phone to a wall', async () => {
    await world.stopPbx();
    await world.startPbx(['--forever', '--rate', '3', '--step-ms', '300-4000', '--talk-ms', '4000-40000', '--returning', '60']);
    await until('some talk', async () => {
        const { data } = await world.get('/api/dashboard/count');
        return data.eventCall.ongoing >= 8 && data.eventCall.waiting >= 2;
    });
    const looks = [
        { name: 'wall-dark', checked: true, width: 1920, height: 1080, scheme: 'dark', locale: 'en-US' },
        { name: 'wall-light', checked: true, width: 1920, height: 1080, scheme: 'light', locale: 'pt-BR' },
        { name: 'tablet', width: 900, height: 1200, scheme: 'light', locale: 'en-US' },
        { name: 'phone', checked: true, width: 390, height: 844, scheme: 'dark', locale: 'pt-BR' },
        { name: 'narrow', width: 320, height: 700, scheme: 'light', locale: 'en-US' },
        { name: 'huge', width: 3840, height: 2160, scheme: 'dark', locale: 'en-US' },
    ];
    for (const look of looks) {
        const page = await browser.open(world.url, { ...look, before: () => localStorage.setItem('pbxhook.span', 'hour') });
        await linkIs(page, 'live');
        await until('the charts', async () => (await page.locator('.chart canvas').count()) === 2);
        await until('rows', async () => (await page.locator('#call-rows tr').count()) > 3);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${look.name}: ${overflow} pixels too wide`);
        if (look.width >= 1920) // a wall has no wheel
            assert.ok(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), look.name);
        assert.equal(await page.getAttribute('html', 'lang'), look.locale === 'pt-BR' ? 'pt-BR' : 'en');
        assert.equal(await text(page, '.tile.wait dt'), look.locale === 'pt-BR' ? 'Em espera' : 'Waiting');
        if (look.checked)
            await checkAccessibility(page, look.name);
        if (look.checked) // those of the README
            await screenshot(page, look.name);
        await closePage(page);
    }
});

test('theme and language can be chosen, and are remembered', async () => {
    const page = await browser.open(world.url, { scheme: 'dark' });
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await linkIs(page, 'live');
    const dark = await background();
    await page.click('#theme');
    assert.equal(await page.getAttribute('html', 'data-theme'), 'light');
    assert.notEqual(await background(), dark);
    await page.click('#language');
    assert.equal(await text(page, '#states-title'), 'Chamadas por estado');
    await page.reload();
    await linkIs(page, 'live');
    assert.equal(await page.getAttribute('html', 'data-theme'), 'light');
    assert.equal(await text(page, '#states-title'), 'Chamadas por estado');
    await closePage(page);
});

test('what is served says what it may do', async () => {
    const response = await fetch(world.url);
    assert.match(response.headers.get('content-security-policy'), /default-src 'none'; script-src 'self'/);
    assert.doesNotMatch(response.headers.get('content-security-policy'), /unsafe/);
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
    const html = await response.text();
    assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|\son\w+=|<style|\sstyle=/);
    const again = await fetch(world.url, { headers: { 'If-None-Match': response.headers.get('etag') } });
    assert.equal(again.status, 304);
    assert.equal((await fetch(`${world.url}/assets/nothing.js`)).status, 404);
    assert.match(await (await fetch(`${world.url}/assets/licenses.txt`)).text(), /MIT License[\s\S]*SIL OPEN FONT/i);
});

// Last, as these calls do not end.
test('what is made of all active calls is not shown when there are too many to fetch', async () => {
    const page = await browser.open(world.url);
    await world.post('call.waiting', 'the longest', { queue: '900', timestamp: new Date(Date.now() - 3600000).toISOString() });
    await until('the longest wait', async () => /longest 1:00:\d\d/.test(await text(page, '#s-waiting')));
    const ids = Array.from({ length: 2000 }, (_, i) => `one of many ${i}`)[Symbol.iterator]();
    await Promise.all(Array.from({ length: 16 }, async () => {
        for (const id of ids)
            await world.post('call.waiting', id, { queue: '900' });
    }));
    await showsTheCounts(page);
    await until('the newest calls alone', async () => (await text(page, '#calls-note')).includes('100'));
    await until('nothing that is not known', async () => await text(page, '#s-waiting') === '' && await text(page, '#s-active') === '');
    const live = page.locator('#queue-rows tr', { hasText: '900' }).locator('td');
    await until('a queue without its calls of now', async () =>
        await live.nth(0).textContent() === '–' && await live.nth(1).textContent() === '–');
    await closePage(page);
});
