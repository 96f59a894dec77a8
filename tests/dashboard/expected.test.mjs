// Promise: "All well" is said only when everything that is switched on has spoken, and nothing waits
// for what is switched off.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Expected } from '../../assets/expected.js';
import { Glance } from '../../assets/glance.js';
import { Panel } from '../../assets/panel.js';
import { part, page } from './page.mjs';

/** What is expected after the server gave this answer. */
async function asked(answer) {
  const urls = [];
  page();
  globalThis.fetch = async (url) => {
    urls.push(String(url));
    return answer();
  };
  const expected = new Expected();
  await expected.ask();
  assert.deepEqual(urls, ['http://box/base/api/state']);
  return expected;
}

const json = (body, ok = true) => async () => ({ ok, json: async () => body });
const ALL = ['system_metrics', 'docker_status', 'tak_status'];

test('one topic is not all: what is missing is named', async () => {
  const expected = await asked(json({ topics: ALL }));
  const text = (...heard) => expected.verdict(heard).text;
  assert.equal(text(), 'Waiting for the first readings…');
  assert.equal(text('system_metrics'), 'No problem so far; waiting for: TAK server, containers');
  assert.equal(text('system_metrics', 'tak_status'), 'No problem so far; waiting for: containers');
  assert.equal(text(...ALL), 'All well');
});

test('what is switched off is not waited for', async () => {
  const expected = await asked(json({ topics: ['system_metrics', 'alert'] }));
  assert.deepEqual(expected.topics, ['system_metrics']);
  assert.equal(expected.verdict(['system_metrics']).kind, 'ok');
  const none = await asked(json({ topics: [] }));
  assert.equal(none.verdict([]).text, 'Everything is switched off in the configuration.');
});

test('a server that doesn’t say is taken to have everything switched on', async () => {
  const answers = [json({}), json({ topics: 'all' }), json({ topics: [] }, false), () => Promise.reject(new Error('gone'))];
  for (const answer of answers) assert.deepEqual((await asked(answer)).topics, ALL);
});

test('the first card says "All well" only when it may', () => {
  page();
  const names = ['list', 'well', 'waiting', 'waitingFor', 'more', 'spoken'];
  const card = part(...names);
  const glance = new Glance(card, part());
  const expected = new Expected();
  const show = (heard) => {
    glance.show({ problems: [], calm: expected.verdict(heard), node: 'box', now: 5 });
    const { well, waiting } = card.parts;
    return [well.hidden, waiting.hidden, card.getAttribute('data-worst'), document.title];
  };
  assert.deepEqual(show(['tak_status']), [true, false, 'unknown', 'Waiting · box · takpulse']);
  assert.match(card.parts.waitingFor.textContent, /^No problem so far; waiting for: host, containers$/);
  assert.deepEqual(show(ALL), [false, true, 'ok', 'All well · box · takpulse']);
  assert.equal(card.parts.spoken.textContent, 'All well');
});

test('a panel of a topic that is switched off says so', () => {
  const section = part('age', 'waiting');
  const panel = new Panel(section);
  const says = (...state) => (panel.showState(...state), section.parts.waiting.textContent);
  assert.equal(says(undefined, true, true), 'Waiting for the first reading…');
  assert.equal(says(undefined, false, true), 'No connection yet: nothing is known.');
  assert.equal(says(undefined, true, false), 'Switched off in the configuration.');
});
