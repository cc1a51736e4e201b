// SPDX-License-Identifier: BSD-2-Clause
// Node's fetch against a kvstored at argv[2]: keys and values of any bytes, conditions, parts, batches, streams in both directions,
// snapshots, the change feed.
import assert from 'node:assert/strict';

const base = process.argv[2];

async function ask(status, method, path, options = {}) {
	const answer = await fetch(base + path, { method, ...options });
	assert.equal(answer.status, status, `${method} ${path}: ${answer.status} ${answer.status === status ? '' : await answer.text()}`);
	return answer;
}

async function json(status, method, path, options = {}) {
	return (await ask(status, method, path, options)).json();
}

const bytes = async (answer) => Buffer.from(await answer.arrayBuffer());
const escaped = (key) => Array.from(key, (b) => `%${b.toString(16).padStart(2, '0')}`).join('');

async function* lines(answer) {
	let rest = '';
	for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
		const whole = (rest + piece).split('\n');
		rest = whole.pop();
		yield* whole;
	}
	assert.equal(rest, '');
}

async function simple() {
	assert.equal(await (await ask(200, 'POST', '/set?key=hi&value=val%20smile')).text(), 'OK\n');
	assert.equal(await (await ask(200, 'GET', '/get?key=hi')).text(), 'val smile');
	await ask(200, 'DELETE', '/del?key=hi');
	await ask(404, 'GET', '/get?key=hi');
	await ask(400, 'POST', `/set?${new URLSearchParams({ key: '', value: 'v' })}`);
}

async function anyBytes() {
	const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
	await ask(201, 'PUT', `/v1/kv/${escaped(all)}`, { body: all });
	assert.deepEqual(await bytes(await ask(200, 'GET', `/v1/kv/${escaped(all)}`)), all);
	const item = await json(200, 'GET', `/v1/kv/${escaped(all)}`, { headers: { Accept: 'application/json' } });
	assert.deepEqual(Buffer.from(item.key_b64, 'base64'), all);
	assert.deepEqual(Buffer.from(item.value_b64, 'base64'), all);
	const name = 'Grüße/\u{1f600} ?&=#%+';
	await ask(201, 'PUT', `/v1/kv/${encodeURIComponent(name)}`, { body: name });
	const page = await json(200, 'GET', `/v1/kv?${new URLSearchParams({ prefix: 'Gr' })}`);
	assert.equal(page.items[0].key, name);
	assert.equal(page.items[0].value, name);
	await ask(204, 'DELETE', `/v1/kv/${escaped(all)}`);
}

async function conditions() {
	const made = await ask(201, 'PUT', '/v1/kv/c', { body: '0123456789', headers: { 'If-None-Match': '*' } });
	const etag = made.headers.get('ETag');
	await ask(412, 'PUT', '/v1/kv/c', { body: 'x', headers: { 'If-None-Match': '*' } });
	await ask(304, 'GET', '/v1/kv/c', { headers: { 'If-None-Match': etag } });
	const part = await ask(206, 'GET', '/v1/kv/c', { headers: { Range: 'bytes=2-4' } });
	assert.equal(part.headers.get('Content-Range'), 'bytes 2-4/10');
	assert.equal(await part.text(), '234');
	await ask(204, 'PUT', '/v1/kv/c', { body: 'new', headers: { 'If-Match': etag } });
	await ask(412, 'DELETE', '/v1/kv/c', { headers: { 'If-Match': etag } });
	const head = await ask(200, 'HEAD', '/v1/kv/c');
	assert.equal(head.headers.get('Content-Length'), '3');
	await ask(204, 'PUT', '/v1/kv/c?ttl=1h', { body: 'short-lived' });
	assert.ok(Number((await ask(200, 'GET', '/v1/kv/c')).headers.get('X-Kv-TTL')) > 3500);
	assert.equal((await json(404, 'GET', '/v1/kv/none', { headers: { Accept: 'application/json' } })).error, 'not_found');
}

async function counters() {
	await Promise.all(Array.from({ length: 100 }, () => ask(200, 'POST', '/v1/incr/counter?by=3').then((a) => a.text())));
	assert.equal(await (await ask(200, 'GET', '/v1/kv/counter')).text(), '300');
}

async function manyKeys() {
	const ops = Array.from({ length: 1000 }, (_, i) => ({ op: 'put', key: `many/${String(i).padStart(4, '0')}`, value: `v${i}` }));
	await json(200, 'POST', '/v1/batch', { body: JSON.stringify(ops), headers: { 'Content-Type': 'application/json' } });
	await ask(412, 'POST', '/v1/batch', { body: JSON.stringify([{ op: 'put', key: 'half', value: '1' },
		{ op: 'check', key: 'many/0000', if_absent: true }]), headers: { 'Content-Type': 'application/json' } });
	await ask(404, 'GET', '/v1/kv/half');
	const got = await json(200, 'POST', '/v1/mget', { body: JSON.stringify(['many/0007', 'none']), headers: { 'Content-Type': 'application/json' } });
	assert.ok(JSON.stringify(got).includes('"v7"'), JSON.stringify(got));
	assert.equal(await (await ask(200, 'GET', '/v1/count?prefix=many/')).text(), '1000\n');
	let cursor = null, seen = 0;
	do {
		const page = await json(200, 'GET', `/v1/kv?prefix=many/&limit=300${cursor ? `&cursor=${cursor}` : ''}`);
		for (const item of page.items)
			assert.equal(item.key, ops[seen++].key);
		cursor = page.cursor;
	} while (cursor);
	assert.equal(seen, 1000);
	seen = 0;
	for await (const line of lines(await ask(200, 'GET', '/v1/kv?prefix=many/&limit=10000', { headers: { Accept: 'application/x-ndjson' } })))
		seen += 'key' in JSON.parse(line) ? 1 : 0;
	assert.equal(seen, 1000);
}

async function streams() {
	const piece = Buffer.alloc(64 * 1024, 'x');
	async function* upload() {
		for (let i = 0; i < 48; i++)
			yield piece;
	}
	await ask(201, 'PUT', '/v1/kv/large', { body: ReadableStream.from?.(upload()) ?? upload(), duplex: 'half' }); // in chunks
	let size = 0;
	for await (const part of (await ask(200, 'GET', '/v1/kv/large')).body)
		size += part.length;
	assert.equal(size, 48 * piece.length);
	const part = await ask(206, 'GET', '/v1/kv/large', { headers: { Range: 'bytes=-10' } });
	assert.equal(await part.text(), 'xxxxxxxxxx');
}

async function snapshots() {
	const { id } = await json(201, 'POST', '/v1/snapshots?ttl=60s');
	await ask(204, 'PUT', '/v1/kv/counter', { body: 'later' });
	assert.equal(await (await ask(200, 'GET', `/v1/kv/counter?snapshot=${id}`)).text(), '300');
	await ask(204, 'DELETE', `/v1/snapshots/${id}`);
	await ask(410, 'GET', `/v1/kv/counter?snapshot=${id}`);
}

async function* events(answer) {
	let event = {};
	for await (const line of lines(answer)) {
		const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
		if (line !== '')
			event[field] = value;
		else if (event.data !== undefined)
			yield event;
		if (line === '')
			event = {};
	}
}

async function changeFeed() {
	const stop = new AbortController();
	const feed = await ask(200, 'GET', '/v1/changes?prefix=live/', { headers: { Accept: 'text/event-stream' }, signal: stop.signal });
	assert.match(feed.headers.get('Content-Type'), /^text\/event-stream/);
	await ask(201, 'PUT', '/v1/kv/live/1', { body: 'one' });
	await ask(201, 'PUT', '/v1/kv/other', { body: 'not of it' });
	await ask(204, 'DELETE', '/v1/kv/live/1');
	const seen = [];
	for await (const event of events(feed)) {
		seen.push(event);
		if (seen.length === 2)
			break;
	}
	stop.abort();
	assert.deepEqual(seen.map((e) => e.event), ['put', 'delete']);
	assert.equal(JSON.parse(seen[0].data).value, 'one');
	const page = await json(200, 'GET', `/v1/changes?prefix=live/&since=${seen[0].id}&wait=10s`);
	assert.deepEqual(page.changes.map((c) => c.op), ['delete']);
}

// What is asked of each operation, with each of its parameters: none is unknown, and the answer is one that is described.
async function description() {
	const { paths, components } = await json(200, 'GET', '/openapi.json');
	const resolved = (value) => value.$ref ? value.$ref.slice(2).split('/').slice(1).reduce((at, name) => at[name], components) : value;
	for (const [path, methods] of Object.entries(paths)) {
		for (const [method, { parameters = [], responses }] of Object.entries(methods)) {
			if (path === '/shutdown')
				continue;
			const names = parameters.map(resolved).filter((parameter) => parameter.in === 'query').map(({ name }) => name);
			for (const query of ['', '?nonsense=x', ...names.map((name) => `?${name}=x`)]) {
				const where = `${method.toUpperCase()} ${path}${query}`;
				const answer = await fetch(base + path.replace(/\{.*\}/, 'x') + query, { method: method.toUpperCase(), redirect: 'manual' });
				const text = await answer.text();
				assert.ok(String(answer.status) in responses, `${where}: ${answer.status} is not described: ${text}`);
				assert.ok(query === '?nonsense=x' || !text.includes('unknown parameter'), `${where}: ${text}`);
			}
		}
	}
}

async function figures() {
	assert.equal((await json(200, 'GET', '/v1/stats')).state, 'healthy');
	assert.match(await (await ask(200, 'GET', '/metrics')).text(), /^kvstored_/m);
}

for (const part of [simple, anyBytes, conditions, counters, manyKeys, streams, snapshots, changeFeed, figures, description])
	await part();
console.log('passed');
