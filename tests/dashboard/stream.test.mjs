// Promise: the page finds its way back to the server by itself, whatever ended the connection, and
// never comes back faster than it should.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Stream } from '../../assets/stream.js';

/** A browser's globals, as far as the stream uses them, and a clock that is moved by hand. */
class World {
  now = 1_000_000;
  timers = new Map();
  sources = [];
  answers = [];
  page = new EventTarget();
  changes = [];
  events = [];
  life = new AbortController();

  constructor() {
    const world = this;
    const timer = (repeats) => (run, ms) => {
      const id = world.timers.size + 1;
      world.timers.set(id, { run, due: world.now + ms, every: repeats ? ms : undefined });
      return id;
    };
    const clear = (id) => world.timers.delete(id);
    class Source extends EventTarget {
      static CLOSED = 2;
      readyState = 0;
      constructor(url) {
        super();
        this.url = String(url);
        world.sources.push(this);
      }
      close() {
        this.readyState = 2;
      }
      /** The server does something. */
      hear(name, data, lastEventId = '') {
        this.dispatchEvent(Object.assign(new Event(name), data === undefined ? {} : { data: JSON.stringify(data), lastEventId }));
      }
      /** The connection breaks; or the server refuses. */
      fail(readyState = 0) {
        this.readyState = readyState;
        this.dispatchEvent(new Event('error'));
      }
    }
    Object.assign(globalThis, {
      EventSource: Source,
      setTimeout: timer(false),
      setInterval: timer(true),
      clearTimeout: clear,
      clearInterval: clear,
      addEventListener: (...all) => this.page.addEventListener(...all),
      document: Object.assign(new EventTarget(), { baseURI: 'http://box/base/', hidden: false }),
      fetch: async () => this.answers.shift()(),
    });
    Date.now = () => this.now;
    this.stream = new Stream({
      url: 'stream',
      topics: ['tak_status'],
      onEvent: (topic, data) => this.events.push([topic, data]),
      onPing: (data) => this.events.push(['ping', data]),
      onChange: () => this.changes.push(this.stream?.state),
      signal: this.life.signal,
    });
  }

  get source() {
    return this.sources.at(-1);
  }

  /** Lets seconds pass, a tenth at a time. */
  pass(seconds) {
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
  }

  /** Lets what was awaited come. */
  async settle() {
    for (let turn = 0; turn < 10; turn++) await null;
  }

  async refuse(status, headers = {}, message = 'No.') {
    this.answers.push(() => new Response(JSON.stringify({ error: { message } }), { status, headers }));
    this.source.fail(2);
    await new Promise(setImmediate);
  }
}

test('events come through by name, under the page’s own path', () => {
  const world = new World();
  assert.equal(world.source.url, 'http://box/base/stream');
  world.source.hear('open');
  assert.equal(world.stream.state, 'open');
  world.source.hear('tak_status', { a: 1 });
  world.source.hear('ping', { timestamp: 5 });
  world.source.hear('lagged', { lost: 3 });
  // Somebody may publish an event of this name: it is not a broken connection.
  world.source.hear('error', { text: 'published' });
  world.source.dispatchEvent(Object.assign(new Event('tak_status'), { data: '{broken', lastEventId: '' }));
  world.source.hear('tak_status', null);
  assert.deepEqual(world.events, [['tak_status', { a: 1 }], ['ping', { timestamp: 5 }]]);
  assert.equal(world.stream.state, 'open');
});

test('a broken connection is taken up again where it was, within two seconds', () => {
  const world = new World();
  world.source.hear('open');
  world.source.hear('tak_status', {}, 'box-1-7');
  world.source.fail();
  assert.equal(world.stream.state, 'waiting');
  assert.equal(world.source.readyState, 2, 'the browser must not retry on its own');
  world.pass(2.1);
  assert.equal(world.sources.length, 2);
  assert.equal(world.source.url, 'http://box/base/stream?last_event_id=box-1-7');
});

test('the waits grow to half a minute, and start over after a success', () => {
  const world = new World();
  const waits = [];
  for (let attempt = 0; attempt < 9; attempt++) {
    world.source.fail();
    waits.push((world.stream.retryAt - world.now) / 1000);
    world.pass(30.1);
  }
  assert.ok(waits[0] >= 1 && waits[0] <= 2, waits);
  assert.ok(waits.every((wait, i) => wait >= Math.min(15, 2 ** i)), waits);
  assert.ok(waits.every((wait) => wait <= 30), waits);
  world.source.hear('open');
  world.source.fail();
  assert.ok(world.stream.retryAt - world.now >= 15_000, 'a proxy that accepts and hangs up is no success');
  world.pass(30.1);
  world.source.hear('open');
  world.source.hear('ping', {});
  world.source.fail();
  assert.ok(world.stream.retryAt - world.now <= 2000);
});

test('silence is noticed: 40 s while awake', () => {
  const world = new World();
  world.source.hear('open');
  world.pass(39);
  assert.equal(world.sources.length, 1);
  world.source.hear('ping', {});
  world.pass(39);
  assert.equal(world.sources.length, 1);
  world.pass(3);
  assert.equal(world.sources.length, 2);
  assert.equal(world.stream.state, 'connecting');
  // A connection that never opens is no better.
  world.pass(42);
  assert.equal(world.sources.length, 3);
});

test('a page that wakes up looks at once', () => {
  const world = new World();
  world.source.hear('open');
  world.now += 10_000;
  world.page.dispatchEvent(new Event('online'));
  assert.equal(world.sources.length, 1, 'ten seconds of silence are nothing');
  world.now += 3_600_000;
  globalThis.document.dispatchEvent(new Event('visibilitychange'));
  assert.equal(world.sources.length, 2);
  world.source.fail();
  world.page.dispatchEvent(new Event('pageshow'));
  assert.equal(world.sources.length, 3, 'who comes back doesn’t want to wait');
});

test('a refusal says why, and when to come back', async () => {
  const world = new World();
  await world.refuse(503, { 'Retry-After': '9' }, 'Too many viewers.');
  assert.equal(world.stream.state, 'waiting');
  assert.equal(world.stream.refusal, 'Too many viewers.');
  assert.equal(world.stream.retryAt - world.now, 9000);
  world.pass(9.1);
  assert.equal(world.sources.length, 2);
  world.source.hear('open');
  assert.equal(world.stream.refusal, '');
});

test('who is signed out isn’t retried for ever', async () => {
  const world = new World();
  await world.refuse(401, {}, 'Sign in.');
  assert.equal(world.stream.state, 'signed-out');
  world.pass(300);
  world.page.dispatchEvent(new Event('online'));
  assert.equal(world.sources.length, 1);
});

test('nothing is left behind when the page goes', async () => {
  const world = new World();
  world.source.hear('open');
  const { source } = world;
  world.life.abort();
  assert.equal(source.readyState, 2);
  source.hear('tak_status', {});
  world.page.dispatchEvent(new Event('online'));
  world.pass(300);
  assert.deepEqual([world.events, world.sources.length, world.timers.size], [[], 1, 0]);
});
