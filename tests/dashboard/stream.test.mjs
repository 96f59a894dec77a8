// Promise: the page finds its way back to the server by itself, whatever ended the connection, and
// never comes back faster than it should.

import assert from 'node:assert/strict';
import test from 'node:test';

import { MAX_FRAME } from '../../assets/sse.js';
import { Stream } from '../../assets/stream.js';

/** A browser's globals, as far as the stream uses them, and a clock that is moved by hand. */
class World {
  now = 1_000_000;
  timers = new Map();
  requests = [];
  page = new EventTarget();
  changes = [];
  events = [];
  life = new AbortController();

  constructor(options) {
    const world = this;
    const timer = (repeats) => (run, ms) => {
      const id = world.timers.size + 1;
      world.timers.set(id, { run, due: world.now + ms, every: repeats ? ms : undefined });
      return id;
    };
    const clear = (id) => world.timers.delete(id);
    Object.assign(globalThis, {
      setTimeout: timer(false),
      setInterval: timer(true),
      clearTimeout: clear,
      clearInterval: clear,
      addEventListener: (...all) => this.page.addEventListener(...all),
      document: Object.assign(new EventTarget(), { baseURI: 'http://box/base/', hidden: false }),
      fetch: (url, { headers, signal }) => {
        const request = new Request(String(url), headers, signal);
        assert.ok(this.requests.every((one) => one.over), 'never two connections at once');
        this.requests.push(request);
        return request.answer;
      },
    });
    Date.now = () => this.now;
    this.stream = new Stream({
      url: 'stream',
      topics: ['tak_status'],
      onEvent: (topic, data) => this.events.push([topic, data]),
      onOccurrence: (event) => this.events.push(event),
      onPing: (data) => this.events.push(['ping', data]),
      onLagged: (data) => this.events.push(['lagged', data]),
      onChange: () => this.changes.push(this.stream?.state),
      signal: this.life.signal,
      ...options,
    });
  }

  get request() {
    return this.requests.at(-1);
  }

  /** Lets seconds pass, a tenth at a time. */
  async pass(seconds) {
    const end = this.now + seconds * 1000;
    while (this.now < end) {
      this.now += 100;
      for (const [id, timer] of [...this.timers]) {
        if (timer.due > this.now) continue;
        if (timer.every) timer.due += timer.every;
        else this.timers.delete(id);
        timer.run();
      }
    }
    await settle();
  }
}

/** What was awaited comes. */
const settle = () => new Promise(setImmediate);

const STREAM = { headers: { 'Content-Type': 'text/event-stream; charset=utf-8' } };

/** One request of the page, answered by hand. */
class Request {
  over = false;

  constructor(url, headers, signal) {
    Object.assign(this, { url, headers, signal });
    const body = { start: (controller) => void (this.controller = controller), cancel: () => void (this.over = true) };
    this.body = new ReadableStream(body);
    this.answer = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    signal.addEventListener('abort', () => {
      if (this.over) return;
      this.over = true;
      this.reject(signal.reason);
      this.controller.error(signal.reason);
    });
  }

  /** The server accepts. */
  async open() {
    this.resolve(new Response(this.body, STREAM));
    await settle();
  }

  /** The server says this, cut into these pieces. */
  async says(...pieces) {
    for (const piece of pieces) this.controller.enqueue(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
    await settle();
  }

  /** The server sends an event. */
  hear(type, data, id) {
    return this.says(`event:${type}\ndata:${JSON.stringify(data)}\n${id ? `id:${id}\n` : ''}\n`);
  }

  /** The server ends it in good order. */
  async end() {
    this.over = true;
    this.controller.close();
    await settle();
  }

  /** The connection breaks, or never comes to be. */
  async fail() {
    this.over = true;
    this.reject(new TypeError('network error'));
    this.controller.error(new TypeError('network error'));
    await settle();
  }

  /** The server says no. */
  async refuse(status, headers = {}, message = 'No.') {
    this.over = true;
    this.resolve(new Response(JSON.stringify({ error: { message } }), { status, headers }));
    await settle();
  }
}

/** A page that is connected. */
async function connected() {
  const world = new World();
  await world.request.open();
  return world;
}

test('events come through by name, under the page’s own path', async () => {
  const world = new World();
  assert.equal(world.request.url, 'http://box/base/stream');
  assert.deepEqual(world.request.headers, { Accept: 'text/event-stream' });
  await world.request.open();
  assert.equal(world.stream.state, 'open');
  await world.request.hear('tak_status', { a: 1 });
  await world.request.hear('ping', { timestamp: 5 });
  await world.request.hear('lagged', { lost: 3 });
  await world.request.says('event:tak_status\ndata:{broken\n\n');
  await world.request.hear('tak_status', null);
  assert.deepEqual(world.events, [['tak_status', { a: 1 }], ['ping', { timestamp: 5 }], ['lagged', { lost: 3 }]]);
  assert.equal(world.stream.state, 'open');
});

test('what scripts publish comes through under any name, as the text that it is', async () => {
  const world = await connected();
  // Somebody may publish an event of this name: it is not a broken connection.
  await world.request.says('event:error\ndata:no JSON\nid:a\n\nevent:weather.now\ndata:{"a":1}\n\n');
  assert.deepEqual(world.events, [
    { type: 'error', data: 'no JSON', id: 'a' },
    { type: 'weather.now', data: '{"a":1}', id: undefined },
  ]);
  assert.equal(world.stream.state, 'open');
});

test('letters that the network cut in two arrive whole', async () => {
  const world = await connected();
  const bytes = new TextEncoder().encode('event:note\ndata:grün\n\n');
  await world.request.says(...[...bytes].map((byte) => Uint8Array.of(byte)));
  assert.deepEqual(world.events, [{ type: 'note', data: 'grün', id: undefined }]);
});

test('a broken connection is taken up again where it was, within two seconds', async () => {
  const world = await connected();
  await world.request.says('retry:30000\n\n');
  await world.request.hear('tak_status', {}, 'bö-1-7');
  await world.request.hear('ping', {});
  await world.request.fail();
  assert.equal(world.stream.state, 'waiting');
  await world.pass(2.1);
  assert.equal(world.requests.length, 2);
  assert.equal(world.request.url, 'http://box/base/stream');
  // Headers are bytes: this is "ö" in UTF-8.
  assert.equal(world.request.headers['Last-Event-ID'], 'b\u00c3\u00b6-1-7');
  await world.request.open();
  await world.request.hear('ping', {});
  await world.request.fail();
  await world.pass(2.1);
  assert.equal(world.request.headers['Last-Event-ID'], 'b\u00c3\u00b6-1-7', 'still known when the next connection brought none');
});

test('the waits grow to half a minute, and start over after a success', async () => {
  const world = new World();
  const waits = [];
  for (let attempt = 0; attempt < 9; attempt++) {
    await world.request.fail();
    waits.push((world.stream.retryAt - world.now) / 1000);
    await world.pass(30.1);
  }
  assert.ok(waits[0] >= 1 && waits[0] <= 2, waits);
  assert.ok(waits.every((wait, i) => wait >= Math.min(15, 2 ** i)), waits);
  assert.ok(waits.every((wait) => wait <= 30), waits);
  for (const hangUp of ['fail', 'end']) {
    await world.request.open();
    await world.request.says(': takpulse\nretry:1000\n\n');
    await world.request[hangUp]();
    assert.ok(world.stream.retryAt - world.now >= 15_000, `a proxy that accepts and hangs up is no success: ${hangUp}`);
    await world.pass(30.1);
  }
  await world.request.open();
  await world.request.hear('ping', {});
  await world.request.fail();
  assert.ok(world.stream.retryAt - world.now <= 2000);
});

test('a server that ends the stream says when to come back, so that not all come at once', async () => {
  for (const [retry, wait] of [['retry:5400', 5400], ['retry:1000\n\nretry:5999', 5999], ['retry:100', 500], ['retry:99999999', 60_000]]) {
    const world = await connected();
    await world.request.hear('ping', {});
    await world.request.says(`${retry}\n\n`);
    await world.request.end();
    assert.equal(world.stream.state, 'waiting');
    assert.equal(world.stream.retryAt - world.now, wait, retry);
    await world.pass(wait / 1000 + 0.1);
    assert.equal(world.requests.length, 2);
  }
  const world = await connected();
  await world.request.hear('ping', {});
  await world.request.end();
  assert.ok(world.stream.retryAt - world.now >= 1000, 'one that doesn’t say');
});

test('silence is noticed: 40 s while awake', async () => {
  const world = await connected();
  await world.pass(39);
  assert.equal(world.requests.length, 1);
  await world.request.hear('ping', {});
  await world.pass(39);
  assert.equal(world.requests.length, 1);
  // A comment is a sign of life as well.
  await world.request.says(':\n\n');
  await world.pass(39);
  assert.equal(world.requests.length, 1);
  await world.pass(3);
  assert.equal(world.requests.length, 2);
  assert.equal(world.stream.state, 'connecting');
  // A connection that never opens is no better.
  await world.pass(42);
  assert.equal(world.requests.length, 3);
});

test('a page that wakes up looks at once', async () => {
  const world = await connected();
  world.now += 10_000;
  world.page.dispatchEvent(new Event('online'));
  assert.equal(world.requests.length, 1, 'ten seconds of silence are nothing');
  world.now += 3_600_000;
  globalThis.document.dispatchEvent(new Event('visibilitychange'));
  assert.equal(world.requests.length, 2);
  await world.request.fail();
  world.page.dispatchEvent(new Event('pageshow'));
  assert.equal(world.requests.length, 3, 'who comes back doesn’t want to wait');
});

test('a refusal says why, and when to come back', async () => {
  const world = new World();
  await world.request.refuse(503, { 'Retry-After': '9' }, 'Too many viewers.');
  assert.equal(world.stream.state, 'waiting');
  assert.equal(world.stream.refusal, 'Too many viewers.');
  assert.equal(world.stream.retryAt - world.now, 9000);
  await world.pass(9.1);
  assert.equal(world.requests.length, 2);
  await world.request.open();
  assert.equal(world.stream.refusal, '');
});

test('whoever else answers is no stream, and is told apart', async () => {
  const world = new World();
  world.request.over = true;
  world.request.resolve(new Response('<h1>Hotel</h1>', { headers: { 'Content-Type': 'text/html' } }));
  await settle();
  assert.equal(world.stream.state, 'waiting');
  assert.match(world.stream.refusal, /not takpulse/);
  assert.ok(world.request.signal.aborted, 'its answer is not held on to');
  await world.pass(2.1);
  assert.equal(world.requests.length, 2);
});

test('who is signed out isn’t retried for ever', async () => {
  const world = new World();
  await world.request.refuse(401, {}, 'Sign in.');
  assert.equal(world.stream.state, 'signed-out');
  assert.equal(world.stream.refusal, 'Sign in.');
  await world.pass(300);
  world.page.dispatchEvent(new Event('online'));
  assert.equal(world.requests.length, 1);
});

test('an event without end is given up, and the connection with it', async () => {
  const world = await connected();
  const piece = new Uint8Array(MAX_FRAME / 4).fill(120);
  await world.request.says('event:note\ndata:', piece, piece, piece);
  assert.equal(world.stream.state, 'open');
  await world.request.says(piece, piece);
  assert.equal(world.stream.state, 'waiting');
  assert.ok(world.request.over);
  assert.deepEqual(world.events, []);
});

test('a fault in what draws the page doesn’t end the connection', async () => {
  const faults = [];
  globalThis.reportError = (error) => faults.push(error.message);
  const world = await connected();
  world.events.push = () => {
    throw new Error('drawn badly');
  };
  await world.request.hear('tak_status', {});
  assert.equal(world.stream.state, 'open');
  assert.deepEqual(faults, ['drawn badly']);
});

test('nothing is left behind when the page goes', async () => {
  const world = await connected();
  world.life.abort();
  assert.ok(world.request.over);
  await settle();
  world.page.dispatchEvent(new Event('online'));
  await world.pass(300);
  assert.deepEqual([world.events, world.requests.length, world.timers.size], [[], 1, 0]);
  // Not even by an answer, or a refusal, that was on its way.
  for (const answer of ['open', 'refuse']) {
    const late = new World();
    const { changes } = late;
    late.life.abort();
    const before = changes.length;
    await late.request[answer](401);
    await late.pass(300);
    assert.deepEqual([changes.length, late.requests.length, late.timers.size], [before, 1, 0]);
  }
});

test('nothing is heard from a connection that was given up', async () => {
  const world = new World();
  const first = world.request;
  world.stream.connect();
  await first.refuse(401);
  assert.equal(world.stream.state, 'connecting');
  await world.request.open();
  const second = world.request;
  await second.says('event:note\ndata:1\n\n');
  second.says('event:note\ndata:2\n\n');
  world.stream.connect();
  await settle();
  assert.equal(world.events.length, 1);
  assert.equal(world.stream.state, 'connecting');
});

test('who rests is left alone, and goes on where it was left', async () => {
  const world = new World();
  await world.request.open();
  await world.request.hear('tak_status', {}, 'e-7');
  world.stream.rest();
  assert.deepEqual([world.stream.state, world.request.over], ['resting', true]);
  await world.pass(300);
  world.page.dispatchEvent(new Event('online'));
  await settle();
  assert.equal(world.requests.length, 1);
  world.stream.connect();
  assert.equal(world.request.headers['Last-Event-ID'], 'e-7');
  world.life.abort();
});

test('final is what the server names so, and not a proxy’s answer with the same status', async () => {
  const world = new World({ final: [403, 'engine_failed'] });
  const refuse = async (error) => {
    world.request.over = true;
    world.request.resolve(new Response(JSON.stringify({ error }), { status: 502 }));
    await settle();
    await settle();
  };
  await refuse(undefined);
  assert.equal(world.stream.state, 'waiting');
  await world.pass(3);
  await refuse({ code: 'engine_failed', message: 'This log driver cannot be read.' });
  assert.deepEqual([world.stream.state, world.stream.refusal], ['refused', 'This log driver cannot be read.']);
  await world.pass(300);
  assert.equal(world.requests.length, 2);
  world.life.abort();
});

test('what is final is not asked again, and says why', async () => {
  const world = new World({ final: [403] });
  world.request.resolve(new Response(JSON.stringify({ error: { message: 'Not for you.' } }), { status: 403 }));
  await settle();
  await settle();
  assert.deepEqual([world.stream.state, world.stream.refusal], ['refused', 'Not for you.']);
  await world.pass(300);
  assert.equal(world.requests.length, 1);
  world.life.abort();
});
