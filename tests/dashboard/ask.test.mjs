// Promise: who asks the server is answered, or told in words why not; nobody waits for ever.

import assert from 'node:assert/strict';
import test from 'node:test';

import { ask } from '../../assets/ask.js';
import { page, server } from './page.mjs';

/** A server that never answers, or never to the end; time is up when the test says so. */
function slow(answer) {
  page();
  const limit = new AbortController();
  AbortSignal.timeout = () => limit.signal;
  globalThis.fetch = (url, { signal }) =>
    new Promise((resolve, reject) => {
      const body = new ReadableStream({ start: (to) => signal.addEventListener('abort', () => to.error(signal.reason)) });
      signal.addEventListener('abort', () => reject(signal.reason));
      if (answer) resolve(new Response(body, answer));
    });
  return limit;
}

test('an answer that does not come, or not to its end, is waited for no longer than is said', async () => {
  for (const answer of [undefined, { status: 200 }, { status: 502 }]) {
    for (const options of [undefined, { signal: new AbortController().signal }]) {
      const limit = slow(answer);
      const asked = ask('api/session', options);
      setImmediate(() => limit.abort());
      await assert.rejects(asked, /not answered within 15 s/);
    }
  }
});

test('who is gone waits for nothing', async () => {
  slow();
  const life = new AbortController();
  const asked = ask('api/session', { signal: life.signal });
  life.abort();
  await assert.rejects(asked, /cannot be reached/);
});

test('an answer, nobody signed in, a refusal with its name', async () => {
  page();
  server([200, { a: 1 }], [401, {}], [404, { error: { code: 'no_such_container', message: 'gone.' } }], [502, 'x']);
  assert.deepEqual(await ask('a'), { a: 1 });
  assert.equal(await ask('a'), undefined);
  await assert.rejects(ask('a'), { message: 'gone.', code: 'no_such_container' });
  await assert.rejects(ask('a'), { message: 'the server answered 502.' });
  await assert.rejects(ask('a'), /cannot be reached/);
});
