// SPDX-License-Identifier: BSD-2-Clause
// A real browser (Chromium, headless) driven over its debugging pipe: the dashboard shows and changes what is in the store, pages
// from elsewhere reach nothing. Waits are for what the page shows, inside the page.
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import assert from 'node:assert/strict';

const [, , chromium, port, profile, token] = process.argv;
const base = `http://127.0.0.1:${port}`;

// ---- the pipe: JSON messages, each ended by a NUL ----

const browser = spawn(chromium, ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
	'--disable-background-networking', '--remote-debugging-pipe', `--user-data-dir=${mkdtempSync(`${profile}/chromium-`)}`],
	{ stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const waiting = new Map(); // id to { resolve, reject }
const logged = [];         // what the pages complained of
let lastId = 0;
let rest = '';

browser.stdio[4].setEncoding('utf8').on('data', (text) => {
	const messages = (rest + text).split('\0');
	rest = messages.pop();
	messages.map((message) => JSON.parse(message)).forEach(received);
});
browser.on('exit', (code) => {
	for (const { reject } of waiting.values())
		reject(new Error(`the browser ended with ${code}`));
});

function received(message) {
	if (message.method === 'Runtime.exceptionThrown')
		logged.push(message.params.exceptionDetails.exception?.description ?? message.params.exceptionDetails.text);
	if (message.method === 'Log.entryAdded')
		logged.push(`${message.params.entry.text} ${message.params.entry.url ?? ''}`);
	const call = waiting.get(message.id);
	if (!call)
		return;
	waiting.delete(message.id);
	if (message.error)
		call.reject(new Error(message.error.message));
	else
		call.resolve(message.result);
}

function send(method, params = {}, sessionId = undefined) {
	const id = ++lastId;
	browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
	return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

// A tab at `url`: run(script) gives what the script's last expression (or its promise) is; until(script): waits until the expression
// is true.
async function open(url) {
	const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
	const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
	await send('Runtime.enable', {}, sessionId);
	await send('Log.enable', {}, sessionId);
	await send('Page.enable', {}, sessionId);
	await send('Page.navigate', { url }, sessionId);
	const run = async (expression) => {
		const { result, exceptionDetails } = await send('Runtime.evaluate',
			{ expression, awaitPromise: true, returnByValue: true, userGesture: true }, sessionId);
		assert.equal(exceptionDetails, undefined, `${expression}: ${exceptionDetails?.exception?.description}`);
		return result.value;
	};
	const until = async (condition) => {
		const seen = await run(`new Promise((resolve) => {
			const look = () => (${condition}) ? resolve('seen') : requestAnimationFrame(look);
			setTimeout(() => resolve('not seen: ' + document.body?.innerText), 20000);
			look();
		})`);
		assert.equal(seen, 'seen', condition);
	};
	// (a navigation that is not yet committed answers for the page before)
	for (let tries = 0; await run(`location.href !== 'about:blank' && document.readyState === 'complete'`) !== true; tries++)
		assert.ok(tries < 100000, `${url} is not there`);
	return { run, until };
}

async function store(method, key, body) {
	const answer = await fetch(`${base}/v1/kv/${encodeURIComponent(key)}`, { method, body,
		headers: token ? { Authorization: `Bearer ${token}` } : {} });
	return { status: answer.status, text: await answer.text() };
}

// ---- what is tested ----

const evil = '<img src=x onerror="document.title=\'owned\'">';

async function dashboardShowsAndChanges() {
	await store('PUT', 'fruit/apple', 'red');
	await store('PUT', `fruit/${evil}`, evil);
	const page = await open(`${base}/ui/`);
	if (token)
		await enterToken(page);
	await page.until(`document.getElementById('state').textContent === 'healthy'`);
	await page.until(`document.getElementById('rates').children.length > 0`);
	await page.run(`document.getElementById('prefix').value = 'fruit/'; document.getElementById('browse').requestSubmit()`);
	await page.until(`document.getElementById('keys').innerText.includes('fruit/apple')`);
	await seesMarkupAsText(page);
	await editsAndDeletes(page);
	return page;
}

async function enterToken(page) {
	await page.until(`!document.getElementById('token-form').hidden`);
	await page.run(`document.getElementById('token').value = 'wrong'; document.getElementById('token-form').requestSubmit()`);
	await page.until(`document.getElementById('token-note').textContent.includes('not known')`);
	await page.run(`document.getElementById('token').value = ${JSON.stringify(token)}; document.getElementById('token-form').requestSubmit()`);
}

async function pick(page, key, value) {
	await page.run(`[...document.querySelectorAll('#keys button')].find((b) => b.textContent === ${JSON.stringify(key)}).click()`);
	await page.until(`!document.getElementById('editor').hidden && document.getElementById('key').value === ${JSON.stringify(key)} &&
		document.getElementById('value').value === ${JSON.stringify(value)}`);
}

async function seesMarkupAsText(page) {
	await pick(page, `fruit/${evil}`, evil);
	assert.equal(await page.run(`document.querySelectorAll('img').length`), 0);
	assert.equal(await page.run(`document.title`), 'kvstored');
}

// A save of one key is answered after another one was opened: the next save is of that one.
async function openedMeanwhile(page) {
	await store('PUT', 'fruit/fig', 'blue');
	await store('PUT', 'fruit/pear', 'brown');
	await page.run(`document.getElementById('browse').requestSubmit()`);
	await page.until(`document.getElementById('keys').innerText.includes('fruit/pear')`);
	await pick(page, 'fruit/fig', 'blue');
	await page.run(`window.whole = window.fetch; window.fetch = (path, options) => options?.method === 'PUT' ?
		new Promise((resolve) => { window.release = () => resolve(window.whole(path, options)); }) : window.whole(path, options);
		document.getElementById('value').value = 'violet'; document.getElementById('editor').requestSubmit()`);
	await page.until(`Boolean(window.release)`);
	await pick(page, 'fruit/pear', 'brown');
	await page.run(`window.fetch = window.whole; window.release()`);
	for (let tries = 0; (await store('GET', 'fruit/fig')).text !== 'violet'; tries++)
		assert(tries < 1000);
	await page.run(`document.getElementById('value').value = 'yellow'; document.getElementById('editor').requestSubmit()`);
	await page.until(`document.getElementById('edit-note').textContent === 'Saved.'`);
	assert.deepEqual(await store('GET', 'fruit/pear'), { status: 200, text: 'yellow' });
	assert.deepEqual(await store('GET', 'fruit/fig'), { status: 200, text: 'violet' });
}

async function editsAndDeletes(page) {
	await pick(page, 'fruit/apple', 'red');
	await page.run(`document.getElementById('value').value = 'green'; document.getElementById('editor').requestSubmit()`);
	await page.until(`document.getElementById('edit-note').textContent === 'Saved.'`);
	assert.deepEqual(await store('GET', 'fruit/apple'), { status: 200, text: 'green' });
	await store('PUT', 'fruit/apple', 'yellow'); // somebody else
	await page.run(`document.getElementById('value').value = 'blue'; document.getElementById('editor').requestSubmit()`);
	await page.until(`document.getElementById('edit-note').textContent.includes('changed meanwhile')`);
	assert.equal((await store('GET', 'fruit/apple')).text, 'yellow');
	await pick(page, 'fruit/apple', 'yellow');
	await page.run(`document.getElementById('delete').click()`);
	await page.until(`document.getElementById('confirm').open`);
	await page.run(`document.querySelector('#confirm button[value=no]').click()`);
	await page.until(`!document.getElementById('confirm').open`);
	assert.equal((await store('GET', 'fruit/apple')).status, 200);
	await page.run(`document.getElementById('delete').click()`);
	await page.until(`document.getElementById('confirm').open`);
	await page.run(`document.querySelector('#confirm button[value=yes]').click()`);
	await page.until(`document.getElementById('editor').hidden`);
	assert.equal((await store('GET', 'fruit/apple')).status, 404);
	await openedMeanwhile(page);
	await store('PUT', 'fruit/apple', 'red\r\ngreen');
	await page.run(`document.getElementById('browse').requestSubmit()`);
	await page.until(`document.getElementById('keys').innerText.includes('fruit/apple')`);
	await pick(page, 'fruit/apple', 'red\ngreen'); // as a text field has it
	assert.equal(await page.run(`document.getElementById('save').hidden`), true);
	await page.run(`document.getElementById('editor').requestSubmit()`); // as Enter does
	assert.equal(await page.run(`document.getElementById('edit-note').textContent`), '');
	assert.equal((await store('GET', 'fruit/apple')).text, 'red\r\ngreen');
	await page.run(`document.getElementById('new').click(); document.getElementById('key').value = 'fruit/kiwi';
		document.getElementById('value').value = 'furry'; document.getElementById('editor').requestSubmit()`);
	await page.until(`document.getElementById('keys').innerText.includes('fruit/kiwi')`);
	assert.equal((await store('GET', 'fruit/kiwi')).text, 'furry');
}

async function followsChanges(page) {
	await store('PUT', 'fruit/plum', evil);
	await page.until(`document.getElementById('changes').innerText.includes('put fruit/plum ' + ${JSON.stringify(evil)})`);
	await store('DELETE', 'fruit/plum');
	await page.until(`document.getElementById('changes').innerText.includes('delete fruit/plum')`);
	assert.equal(await page.run(`document.querySelectorAll('img').length`), 0);
}

// The browser's own reader of events, with the reconnection that it does by itself.
async function eventSourceReceives(page) {
	const { changes, next } = await (await fetch(`${base}/v1/changes?since=0`)).json();
	assert.ok(changes.length > 0);
	const received = page.run(`new Promise((resolve, reject) => {
		const source = new EventSource('/v1/changes?prefix=sse/&since=${next}');
		const seen = [];
		const take = (event) => {
			seen.push([event.type, JSON.parse(event.data).key, event.lastEventId !== '']);
			if (seen.length === 3) {
				source.close();
				resolve(seen);
			}
		};
		source.addEventListener('put', take);
		source.addEventListener('delete', take);
		setTimeout(() => reject(new Error('only ' + JSON.stringify(seen))), 20000);
	})`);
	await store('PUT', 'sse/1', 'one');
	await store('PUT', 'sse/2', 'two');
	await store('DELETE', 'sse/1');
	assert.deepEqual(await received, [['put', 'sse/1', true], ['put', 'sse/2', true], ['delete', 'sse/1', true]]);
}

async function pagesFromElsewhereReachNothing() {
	const elsewhere = await open(`http://localhost:${port}/ui/`); // another site than 127.0.0.1, and its policy is not in the way below
	assert.equal(await elsewhere.run(`fetch('/healthz').then((a) => a.status)`), 200);
	const blank = await open('data:text/html,<title>elsewhere</title>');
	for (const request of [`fetch('${base}/v1/kv/fruit%2Fkiwi')`, `fetch('${base}/set?key=stolen&value=1', { method: 'POST' })`,
		`fetch('${base}/set?key=stolen&value=1', { method: 'POST', mode: 'no-cors' }).then((a) => a.type)`])
		assert.notEqual(await blank.run(`${request}.then((a) => String(a.status ?? a), () => 'refused')`), '200');
	await blank.run(`new Promise((resolve) => { const form = document.createElement('form'); form.method = 'POST';
		form.action = '${base}/set?key=stolen&value=1'; form.target = 'there'; const frame = document.createElement('iframe');
		frame.name = 'there'; frame.onload = resolve; document.body.append(frame, form); form.submit(); })`);
	assert.equal((await store('GET', 'stolen')).status, 404);
}

async function shutdownIsNotForPages(page) {
	const stop = (headers) => page.run(`fetch('/shutdown', { method: 'POST', headers: ${JSON.stringify(headers)} }).then((a) => a.status)`);
	assert.equal(await stop({}), token ? 401 : 403);
	if (token) // which may do everything, but not in a page
		assert.equal(await stop({ Authorization: `Bearer ${token}` }), 403);
}

try {
	const page = await dashboardShowsAndChanges();
	await followsChanges(page);
	assert.deepEqual(logged.filter((line) => !(token ? /412|401/ : /412/).test(line)), []);
	if (!token)
		await eventSourceReceives(page);
	await shutdownIsNotForPages(page);
	await pagesFromElsewhereReachNothing();
	console.log('passed');
} catch (error) {
	console.error(error, logged);
	process.exitCode = 1;
} finally {
	browser.kill('SIGKILL');
}
