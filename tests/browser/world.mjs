// world.mjs: a real server in a throw-away directory, a mock PBX, and a page of a real browser.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const option = (name) => process.env[`BROWSER_TEST_${name}`];
export const build = option('BUILD');
export const screenshots = option('SCREENSHOTS');
/** The directory of PostgreSQL's socket; without it the store is SQLite. */
export const database = option('DATABASE');

const DEADLINE_MS = 20000;

/** Waits until ask() gives something true; its last answer is in the error. */
export async function until(what, ask) {
    const end = Date.now() + DEADLINE_MS;
    let last;
    for (;;) {
        try {
            last = await ask();
            if (last)
                return last;
        } catch (error) {
            last = error.message;
        }
        if (Date.now() > end)
            throw new Error(`waited ${DEADLINE_MS / 1000} s for ${what}; last: ${JSON.stringify(last)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/** A child process; stop() ends it and waits. */
function run(command, args, environment = {}) {
    const child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.on('data', (data) => { log += data; });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    return {
        child,
        log: () => log,
        async stop(signal = 'SIGTERM') {
            child.kill(signal);
            await ended;
        },
    };
}

const databaseUrl = (name) => `postgresql://pbxhook@/${name}?host=${database}`;

/** Runs SQL beside the server, each statement by itself. */
export async function psql(name, ...statements) {
    for (const statement of statements)
        await promisify(execFile)('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-c', statement, databaseUrl(name)]);
}

export class World {
    static async create() {
        const world = new World();
        world.directory = await mkdtemp(join(tmpdir(), 'pbxhook-browser-'));
        world.port = 0;
        if (database) {
            world.store = { PBXHOOK_STORE_URL: databaseUrl('wall') };
            await psql('postgres', 'CREATE DATABASE wall');
        }
        await world.startServer();
        return world;
    }

    /** Later runs take the first one's port. */
    async startServer() {
        this.server = run(join(build, 'pbxhook'), ['serve'], {
            PBXHOOK_CONFIG: '/dev/null',
            PBXHOOK_LISTEN: `127.0.0.1:${this.port}`,
            PBXHOOK_STATE_DIR: join(this.directory, 'state'),
            ...this.store,
            PBXHOOK_PBX_URL: `http://127.0.0.1:${this.pbxPort ?? 1}/api/client/actions`,
        });
        const line = await until('the server to listen', () => {
            if (this.server.child.exitCode !== null)
                throw new Error(this.server.log());
            return /msg=listening address=127\.0\.0\.1:(\d+)/.exec(this.server.log());
        });
        this.port = Number(line[1]);
        this.url = `http://127.0.0.1:${this.port}`;
    }

    async restartWithPbx() {
        await this.startPbx([]);
        await this.server.stop();
        await this.startServer();
    }

    /** A mock PBX; with a rate it places calls. */
    async startPbx(args) {
        const file = join(this.directory, 'pbx-port');
        await rm(file, { force: true });
        this.pbx = run(join(build, 'tests/mock_pbx/mock-pbx'), [
            '--listen', `127.0.0.1:${this.pbxPort ?? 0}`, '--port-file', file,
            '--webhook', `${this.url}/api/client/webhook`, ...args]);
        this.pbxPort = Number(await until('the mock PBX', () => readFile(file, 'utf8')));
    }

    async stopPbx() {
        await this.pbx?.stop();
        this.pbx = null;
    }

    async get(path) {
        const response = await fetch(this.url + path);
        if (!response.ok)
            throw new Error(`${path}: ${response.status}`);
        return response.json();
    }

    /** One event, as the PBX would post it. */
    async post(type, callId, more = {}) {
        const response = await fetch(`${this.url}/webhook`, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ type, call_id: callId, timestamp: new Date().toISOString(), ...more }),
        });
        if (!response.ok)
            throw new Error(`${type}: ${response.status} ${await response.text()}`);
    }

    async close() {
        await this.stopPbx();
        await this.server.stop();
        await rm(this.directory, { recursive: true, force: true });
    }
}

export class Browser {
    static async create() {
        const browser = new Browser();
        browser.profile = await mkdtemp(join(tmpdir(), 'pbxhook-chromium-'));
        browser.chromium = await chromium.launch({
            executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
            env: { ...process.env, HOME: browser.profile },
            args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
                '--disable-component-update', '--disable-sync', '--force-color-profile=srgb'],
        });
        return browser;
    }

    /** A page that fails the test when its script fails or anything breaks the content security policy. */
    async open(url, { width = 1440, height = 900, scheme = 'dark', locale = 'en-US', before } = {}) {
        const context = await this.chromium.newContext({ viewport: { width, height }, colorScheme: scheme, locale });
        const page = await context.newPage();
        page.wrong = [];
        page.asked = [];
        page.on('pageerror', (error) => page.wrong.push(error.message));
        page.on('console', (message) => {
            if (/Content Security Policy/i.test(message.text()))
                page.wrong.push(message.text());
        });
        page.on('request', (request) => page.asked.push(request.url()));
        if (before)
            await page.addInitScript(before);
        await page.goto(url);
        return page;
    }

    async close() {
        await this.chromium.close();
        await rm(this.profile, { recursive: true, force: true });
    }
}
