// SPDX-License-Identifier: BSD-2-Clause
// The dashboard. What comes from the store reaches the page only as text (textContent, value), never as markup.
'use strict';

const POLL_MS = 2000;
const PAGE_ITEMS = 50;
const PREVIEW_BYTES = 64 * 1024;
const CHANGES_SHOWN = 200;

const $ = (id) => document.getElementById(id);

function element(name, text, className) {
	const made = document.createElement(name);
	made.textContent = text;
	if (className)
		made.className = className;
	return made;
}

// ---- asking the server ----

let token = sessionStorage.getItem('token') ?? '';

async function ask(path, options = {}) {
	const headers = new Headers(options.headers);
	if (token)
		headers.set('Authorization', `Bearer ${token}`);
	const answer = await fetch(path, { ...options, headers, cache: 'no-store' });
	if (answer.status === 401) {
		$('token-form').hidden = false;
		$('token-note').textContent = token ? 'This token is not known here.' : '';
	}
	return answer;
}

async function reason(answer) {
	return `${answer.status}: ${(await answer.text()).trim()}`;
}

$('token-form').addEventListener('submit', (event) => {
	event.preventDefault();
	setToken($('token').value.trim());
	$('token').value = '';
});

$('forget').addEventListener('click', () => setToken(''));

function setToken(value) {
	token = value;
	if (token)
		sessionStorage.setItem('token', token);
	else
		sessionStorage.removeItem('token');
	$('token-form').hidden = true;
	$('forget').hidden = !token;
	poll();
	browse();
	watch();
}

// ---- bytes ----

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// Of a JSON item: "name" where it is text, "name_b64" where not.
function bytesOf(item, name) {
	if (typeof item[name] === 'string')
		return encoder.encode(item[name]);
	const base64 = item[`${name}_b64`];
	return typeof base64 === 'string' ? Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)) : null;
}

// null: these bytes are no text.
function textOf(bytes) {
	try {
		const text = decoder.decode(bytes);
		return /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text) ? null : text;
	} catch {
		return null;
	}
}

function hexOf(bytes) {
	return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ');
}

function bytesElement(name, bytes) {
	const text = textOf(bytes);
	return text === null ? element(name, hexOf(bytes), 'bytes') : element(name, text);
}

function percentEncode(bytes) {
	let out = '';
	for (const b of bytes)
		out += /[A-Za-z0-9_~-]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) :
			`%${b.toString(16).toUpperCase().padStart(2, '0')}`;
	return out;
}

// null for the two keys that a browser takes for a way through folders, however they are written.
function keyPath(bytes) {
	const text = textOf(bytes);
	return text === '.' || text === '..' ? null : `/v1/kv/${percentEncode(bytes)}`;
}

// ---- figures ----

const number = new Intl.NumberFormat('en');

function size(bytes) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let i = 0;
	for (; bytes >= 1024 && i < units.length - 1; i++)
		bytes /= 1024;
	return `${bytes.toFixed(i && bytes < 100 ? 1 : 0)} ${units[i]}`;
}

function duration(seconds) {
	const d = Math.floor(seconds / 86400), h = Math.floor(seconds / 3600) % 24, m = Math.floor(seconds / 60) % 60;
	return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min ${Math.floor(seconds % 60)} s` : `${seconds} s`;
}

function format(name, value) {
	if (typeof value !== 'number')
		return typeof value === 'object' ? JSON.stringify(value) : String(value);
	if (/(^|_)bytes(_|$)/.test(name))
		return size(value);
	if (/_us$/.test(name))
		return `${number.format(value / 1e6)} s`;
	if (/_s$/.test(name))
		return duration(value);
	return number.format(value);
}

function list(pairs) {
	const made = document.createElement('dl');
	fill(made, pairs);
	return made;
}

function fill(dl, pairs) {
	dl.replaceChildren(...pairs.flatMap(([name, text]) => [element('dt', name), element('dd', text)]));
}

let before = null; // { at, stats } of the last poll

// How much a counter has grown a second; null: not known yet, or the server was started anew.
function rate(stats, at, group, name) {
	const grown = before ? stats[group]?.[name] - before.stats[group]?.[name] : NaN;
	return grown >= 0 ? grown / ((at - before.at) / 1000) : null;
}

function showRates(stats, at) {
	const shown = (value, text) => value === null ? '–' : text(value);
	const perSecond = (value) => `${number.format(Math.round(value))}/s`;
	const looked = stats.reads.cache_hits + stats.reads.cache_misses;
	fill($('rates'), [
		['up', duration(stats.server.uptime_s)],
		['connections', `${number.format(stats.server.connections)} of ${number.format(stats.server.connection_limit)}`],
		['reads', shown(rate(stats, at, 'reads', 'gets'), perSecond)],
		['writes', shown(rate(stats, at, 'commit', 'batches'), perSecond)],
		['written by clients', shown(rate(stats, at, 'commit', 'user_bytes_written'), (n) => `${size(n)}/s`)],
		['write-ahead log', size(stats.wal.bytes)],
		['memtable', size(stats.memory.memtable_bytes)],
		['cache', `${size(stats.memory.cache_bytes)} of ${size(stats.memory.cache_capacity_bytes)}`],
		['cache hits', looked ? `${(100 * stats.reads.cache_hits / looked).toFixed(1)} %` : '–'],
		['write amplification', stats.amplification.write.toFixed(2)],
	]);
}

function showLevels(levels) {
	$('levels').replaceChildren(...levels.map((level, i) => {
		const row = document.createElement('tr');
		const cells = [i, level.tables, null, level.entries, level.tombstones];
		row.append(...cells.map((value) => element('td', value === null ? size(level.bytes) : number.format(value))));
		return row;
	}));
}

function showFigures(stats) {
	const groups = Object.entries(stats).filter(([, value]) => value && typeof value === 'object' && !Array.isArray(value));
	$('figures').replaceChildren(...groups.map(([name, group]) => {
		const part = document.createElement('div');
		part.append(element('h3', name.replaceAll('_', ' ')),
			list(Object.entries(group).map(([key, value]) => [key.replace(/_(us|s)$/, '').replaceAll('_', ' '), format(key, value)])));
		return part;
	}));
}

function showState(state, text) {
	$('state').textContent = state;
	$('state').className = state;
	$('reason').textContent = text;
}

async function askStats() {
	const answer = await ask('/v1/stats');
	if (!answer.ok) {
		showState(answer.status === 401 ? 'token needed' : 'refused', answer.status === 401 ? '' : await reason(answer));
		return;
	}
	const stats = await answer.json();
	const at = performance.now();
	showState(stats.state, stats.reason);
	showRates(stats, at);
	showLevels(stats.levels);
	showFigures(stats);
	before = { at, stats };
}

let pollTimer = 0;

async function poll() {
	clearTimeout(pollTimer);
	try {
		if (!document.hidden)
			await askStats();
	} catch (error) {
		showState('unreachable', error.message);
	}
	clearTimeout(pollTimer);
	pollTimer = setTimeout(poll, POLL_MS);
}

document.addEventListener('visibilitychange', () => document.hidden || poll());

// ---- keys ----

let cursor = null;

async function browse(from = null) {
	const query = new URLSearchParams({ prefix: $('prefix').value, limit: PAGE_ITEMS, keys: 1 });
	if (from !== null)
		query.set('cursor', from);
	const answer = await ask(`/v1/kv?${query}`).catch(() => null);
	if (!answer?.ok) {
		$('page-note').textContent = answer ? await reason(answer) : 'no answer';
		return;
	}
	const page = await answer.json();
	$('keys').replaceChildren(...page.items.map(keyElement));
	$('page-note').textContent = page.items.length || !page.complete ? '' : 'no key';
	cursor = page.cursor;
	$('next').disabled = page.complete;
	$('first').disabled = from === null;
}

function keyElement(item) {
	const key = bytesOf(item, 'key');
	const made = document.createElement('li');
	const button = bytesElement('button', key);
	button.type = 'button';
	button.addEventListener('click', () => openKey(key));
	made.append(button);
	return made;
}

$('browse').addEventListener('submit', (event) => {
	event.preventDefault();
	browse();
	watch();
});
$('first').addEventListener('click', () => browse());
$('next').addEventListener('click', () => browse(cursor));

// ---- one key ----

let opened = null; // { key, etag }: what the editor shows; etag null: a key that is to be made

function showEditor(key, etag, value, note, editable) {
	const text = key ? textOf(key) : '';
	opened = { key, etag };
	$('key').value = text ?? hexOf(key);
	$('key').readOnly = key !== null;
	$('value').value = value;
	$('value').readOnly = !editable;
	$('value-note').textContent = note;
	$('edit-note').textContent = '';
	$('save').hidden = !editable;
	$('save').disabled = !editable; // a hidden one can still be meant by Enter
	$('delete').hidden = key === null;
	$('editor').hidden = false;
}

async function openKey(key) {
	const path = keyPath(key);
	if (path === null) {
		showEditor(key, null, '', 'A browser cannot ask for this key.', false);
		$('delete').hidden = true;
		return;
	}
	const answer = await ask(path, { headers: { Range: `bytes=0-${PREVIEW_BYTES - 1}` } }).catch(() => null);
	const empty = answer?.status === 416; // the range of an empty value
	if (!answer || !(answer.ok || empty)) {
		showEditor(key, null, '', answer ? await reason(answer) : 'no answer', false);
		$('delete').hidden = true;
		return;
	}
	showValue(key, answer, empty ? new Uint8Array() : new Uint8Array(await answer.arrayBuffer()));
}

function showValue(key, answer, bytes) {
	const total = Number(answer.headers.get('Content-Range')?.split('/')[1] ?? bytes.length);
	const text = total === bytes.length ? textOf(bytes) : null;
	const ttl = answer.headers.get('X-Kv-TTL');
	const editable = text !== null && !text.includes('\r'); // a text field would make \n of it
	let note = `${size(total)}`;
	if (ttl !== null)
		note += `, expires in ${duration(Number(ttl))} (saved here, it stays)`;
	if (total > bytes.length)
		note += `, the first ${size(bytes.length)} of it`;
	if (text !== null && !editable)
		note += ', has carriage returns, which cannot be edited here';
	showEditor(key, answer.headers.get('ETag') ?? '*', text ?? textOf(bytes) ?? hexOf(bytes.subarray(0, 4096)), note, editable);
}

// Meanwhile another key may have been opened: then the answer says nothing of what the editor shows.
async function change(method, path, options, done) {
	const mine = opened;
	$('save').disabled = true; // a second one would have the ETag from before the first
	const answer = await ask(path, { ...options, method }).catch(() => null);
	const note = !answer ? 'No answer: the outcome is not known.' :
		answer.ok ? '' : answer.status === 412 ? 'Not done: it was changed meanwhile. Open it again.' : await reason(answer);
	if (opened === mine) {
		$('save').disabled = $('save').hidden;
		if (answer?.ok)
			done(answer);
		else
			$('edit-note').textContent = note;
	} else if (!answer?.ok) {
		$('page-note').textContent = `${method} ${path}: ${note}`;
	}
	if (answer?.ok)
		browse();
}

$('editor').addEventListener('submit', (event) => {
	event.preventDefault();
	if ($('save').disabled)
		return;
	const isNew = opened.key === null;
	const key = isNew ? encoder.encode($('key').value) : opened.key;
	const path = key.length ? keyPath(key) : null;
	if (path === null) {
		$('edit-note').textContent = 'This cannot be a key here.';
		return;
	}
	const headers = isNew ? { 'If-None-Match': '*' } : { 'If-Match': opened.etag };
	change('PUT', path, { headers, body: $('value').value }, (answer) => {
		Object.assign(opened, { key, etag: answer.headers.get('ETag') });
		$('key').readOnly = true;
		$('delete').hidden = false;
		$('edit-note').textContent = 'Saved.';
	});
});

$('delete').addEventListener('click', () => {
	$('confirm-text').textContent = `Delete the key ${textOf(opened.key) ?? hexOf(opened.key)}?`;
	$('confirm').returnValue = 'no';
	$('confirm').showModal();
});

$('confirm').addEventListener('close', () => {
	if ($('confirm').returnValue === 'yes')
		change('DELETE', keyPath(opened.key), { headers: { 'If-Match': opened.etag } }, closeEditor);
});

function closeEditor() {
	opened = null;
	$('editor').hidden = true;
}

$('close').addEventListener('click', closeEditor);
$('new').addEventListener('click', () => {
	showEditor(null, null, '', 'A new key', true);
	$('key').focus();
});

// ---- changes ----
// The feed is read by fetch, since an EventSource cannot send a token. It goes on where it was: Last-Event-ID.

let watching = null; // AbortController of the feed that is read
let lastId = '';
let fresh = [];      // changes that are not yet on the page, newest last

function showChanges() {
	const shown = fresh.map(changeElement).reverse();
	fresh = [];
	$('changes').prepend(...shown);
	while ($('changes').childElementCount > CHANGES_SHOWN)
		$('changes').lastElementChild.remove();
}

function changeElement({ data }) {
	const item = JSON.parse(data);
	const made = element('li', `${item.position} ${item.op} `);
	for (const [name, label, limit] of [['key', '', Infinity], ['start', 'from ', Infinity], ['end', ' to ', Infinity], ['value', ' ', 200]]) {
		const bytes = bytesOf(item, name);
		if (bytes)
			made.append(label, bytesElement(name === 'value' ? 'span' : 'strong', bytes.subarray(0, limit)));
	}
	if (item.large !== undefined)
		made.append(` ${size(item.large)}`);
	return made;
}

function take(event) {
	if (event.id !== null)
		lastId = event.id;
	if (event.data === '')
		return;
	if (event.name === 'error') {
		$('changes-note').textContent = JSON.parse(event.data).message;
		return;
	}
	if (!fresh.length)
		requestAnimationFrame(showChanges);
	fresh.push(event);
	if (fresh.length > CHANGES_SHOWN)
		fresh.shift();
}

function parseEvent(block) {
	const event = { id: null, name: 'message', data: '' };
	const data = [];
	for (const line of block.split('\n')) {
		const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
		if (field === 'id')
			event.id = value;
		else if (field === 'event')
			event.name = value;
		else if (field === 'data')
			data.push(value);
	}
	event.data = data.join('\n');
	return event;
}

async function readFeed(answer) {
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	for (;;) {
		const { value, done } = await reader.read();
		if (done)
			return;
		const blocks = (rest + value).split('\n\n');
		rest = blocks.pop();
		blocks.map(parseEvent).forEach(take);
	}
}

// Returns whether it makes sense to ask again.
async function follow(signal) {
	const headers = { Accept: 'text/event-stream' };
	if (lastId)
		headers['Last-Event-ID'] = lastId;
	const query = new URLSearchParams($('prefix').value ? { prefix: $('prefix').value } : {});
	const answer = await ask(`/v1/changes?${query}`, { headers, signal });
	if (answer.ok) {
		$('changes-note').textContent = '';
		await readFeed(answer);
		return true;
	}
	$('changes-note').textContent = await reason(answer);
	if (answer.status === 410)
		lastId = '';
	return answer.status === 410 || answer.status === 429 || answer.status === 503;
}

async function watch() {
	watching?.abort();
	watching = null;
	if (!$('live').checked)
		return;
	const mine = watching = new AbortController();
	let again = true;
	while (again && watching === mine) {
		try {
			again = await follow(mine.signal);
		} catch (error) {
			if (mine.signal.aborted)
				return;
			$('changes-note').textContent = error.message;
		}
		if (again)
			await new Promise((resolve) => setTimeout(resolve, POLL_MS));
	}
}

$('live').addEventListener('change', watch);

$('forget').hidden = !token;
poll();
browse();
watch();
