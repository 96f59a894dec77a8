// Promise: what the drawer tells of a container, and offers to do, is as new as what the stream tells; nothing
// is done that was given up; and it opens and closes as somebody means it.

import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import test from 'node:test';

import { ContainerDetails } from '../../assets/container-details.js';
import { ContainersPanel } from '../../assets/containers.js';
import { meaningOf } from '../../assets/container-actions.js';
import { showHints } from '../../assets/hint.js';
import { document } from './document.mjs';

// All of a page listens to the signal that ends it.
setMaxListeners(0);

const settle = async () => {
  for (let turn = 0; turn < 9; turn++) await new Promise(setImmediate);
};

/** A server that is answered for by hand: `asked` holds what waits, `say(status, body)` answers the oldest. */
function byHand() {
  const waiting = [];
  const asked = [];
  globalThis.fetch = (url, { method = 'GET', headers }) => {
    asked.push([method, String(url).replace('http://box/base/', ''), headers?.['X-CSRF-Token']].filter(Boolean).join(' '));
    return new Promise((resolve) => waiting.push(resolve));
  };
  const say = async (status, body) => {
    waiting.shift()(new Response(JSON.stringify(body), { status }));
    await settle();
  };
  return { asked, say };
}

const SESSION = { user: 'anna', role: 'viewer', csrf: 'c1' };
const refusal = (code) => ({ error: { code, message: `It is ${code}.` } });

function details() {
  document();
  const told = [];
  const found = new ContainerDetails('tak', {
    signal: new AbortController().signal,
    onSession: () => {},
    onChange: () => told.push(found.told?.actions?.join() ?? found.fault),
  });
  return { found, told, ...byHand() };
}

test('what changes while an answer is under way is asked for once more behind it', async () => {
  const { found, told, asked, say } = details();
  found.load();
  await say(200, SESSION);
  found.load();
  found.load();
  assert.equal(asked.length, 2, 'one at a time');
  await say(200, { actions: ['stop'] });
  await say(200, { actions: ['start'] });
  assert.deepEqual(told, ['stop', 'start']);
  assert.deepEqual(asked, ['GET api/session', 'GET api/containers/tak', 'GET api/containers/tak']);
  found.retry();
  assert.equal(asked.length, 3, 'nothing is missing');
});

test('what is gone cannot be acted upon, and is not asked for again; what was told stays', async () => {
  const { found, asked, say } = details();
  found.load();
  await say(200, SESSION);
  await say(200, { image: 'i', actions: ['stop'] });
  found.load();
  await say(503, refusal('engine_unavailable'));
  assert.deepEqual([found.told.actions, found.fault], [['stop'], 'It is engine_unavailable.']);
  found.retry();
  found.retry();
  assert.equal(asked.length, 4, 'under way');
  await say(404, refusal('no_such_container'));
  assert.deepEqual([found.told, found.fault], [{ image: 'i', actions: [] }, 'It is no_such_container.']);
  found.retry();
  assert.equal(asked.length, 4, 'hopeless');
  found.load();
  await say(200, { image: 'j', actions: ['start'] });
  assert.deepEqual([found.told, found.fault], [{ image: 'j', actions: ['start'] }, undefined]);
});

test('who has been signed out is told so, and is asked for anew', async () => {
  const { found, asked, say } = details();
  found.load();
  await say(200, SESSION);
  await say(200, { image: 'i', actions: ['stop'] });
  found.load();
  await say(401, {});
  assert.deepEqual(found.told, { image: 'i', actions: [] });
  assert.match(found.fault, /sign in again/);
  found.retry();
  await say(200, { ...SESSION, csrf: 'c2' });
  await say(200, { actions: ['start'] });
  assert.deepEqual([asked.slice(3), found.session.csrf, found.fault], [['GET api/session', 'GET api/containers/tak'], 'c2', undefined]);
});

test('a confirmation says who is cut off where that is known, and else what is true in any case', () => {
  const told = (action, more) => meaningOf(action, { name: 'takserver', confirm: true, ...more }).split('starts it. ').at(-1);
  const message = 'takserver belongs to the TAK server: this cuts off its 3 users (ALPHA, BRAVO, CHARLIE)';
  assert.equal(told('stop', { confirm_message: message }), `${message}.`);
  assert.match(told('stop'), /belongs, or may belong, to the TAK server: everybody who is on may be cut off\.$/);
  assert.match(told('stop', { confirm_message: '' }), /may belong/);
  for (const more of [{ confirm: false }, { confirm: false, confirm_message: message }]) assert.doesNotMatch(told('restart', more), /TAK/);
  assert.doesNotMatch(told('start', { confirm_message: message }), /TAK/, 'nobody is cut off by a start');
});

/** A whole page with the panel on it, whose server is answered for by hand. */
function opened() {
  const page = new EventTarget();
  const byId = document();
  Object.assign(globalThis.document, { activeElement: null, addEventListener: () => {} });
  const history = {
    state: null,
    pushState: (state, _, hash) => Object.assign(history, { state }, Object.assign(location, { hash }) && {}),
    back() {
      Object.assign(history, { state: null });
      location.hash = '';
      page.dispatchEvent(new Event('popstate'));
    },
  };
  const location = { hash: '', pathname: '/', search: '' };
  Object.assign(globalThis, { window: page, location, history, requestAnimationFrame: (run) => run(), addEventListener: () => {} });
  const elements = { containers: byId('containers'), drawer: byId('drawer'), confirm: byId('confirm') };
  let life;
  const start = () => {
    life = new AbortController();
    return new ContainersPanel(elements, life.signal);
  };
  const inside = (element, name) => element.querySelectorAll('[data-field]').find((one) => one.getAttribute('data-field') === name);
  const button = (name, value) => elements.drawer.querySelectorAll(`[data-${name}]`).find((one) => one.tag === 'button' && one.getAttribute(`data-${name}`) === value);
  return { ...elements, ...byHand(), start, end: () => life.abort(), inside, button };
}

const tak = { id: '0a', name: 'tak', state: 'running', running: true, project: 'p' };

async function looking(role = 'viewer') {
  const it = opened();
  const panel = it.start();
  panel.show({ node: 'n', containers: [tak] }, 100);
  it.inside(it.containers, 'table').querySelectorAll('tr')[2].children[1].click();
  assert.equal(it.drawer.open, true);
  await it.say(200, { ...SESSION, role });
  return { ...it, panel };
}

test('a page that comes back from the browser’s cache folds its projects', () => {
  const { start, end, containers, inside } = opened();
  const reading = { node: 'n', containers: [tak] };
  start().show(reading, 100);
  end();
  start().show(reading, 100);
  inside(containers, 'fold').click();
  assert.deepEqual([inside(containers, 'fold').getAttribute('aria-expanded'), inside(containers, 'table').querySelectorAll('tr').length], ['false', 2]);
  end();
});

test('a line that is marked up to the backdrop does not close the drawer, a click beside it does', async () => {
  const { drawer, inside, end } = await looking();
  inside(drawer, 'facts').happens('pointerdown');
  drawer.click(); // The nearest that both ends of it are in.
  assert.equal(drawer.open, true);
  drawer.happens('pointerdown');
  drawer.click();
  assert.equal(drawer.open, false);
  end();
});

test('the view goes to the log by itself only until somebody chooses', async () => {
  for (const [chosen, view] of [[undefined, 'log'], ['facts', 'facts']]) {
    const it = opened();
    it.start().show({ node: 'n', containers: [tak] }, 100);
    it.inside(it.containers, 'table').querySelectorAll('tr')[2].children[1].click();
    if (chosen) it.button('view', chosen).click();
    await it.say(200, { ...SESSION, role: 'admin' });
    assert.equal(it.drawer.getAttribute('data-view'), view);
    it.end();
  }
});

test('an action goes with the token of now, not at all once it is given up, and its answer closes no other question', async () => {
  const { asked, say, button, confirm, inside, end } = await looking();
  await say(200, { name: 'tak', actions: ['stop', 'restart'], confirm: false });
  const order = () => inside(confirm, 'form').happens('submit');
  const since = asked.length;

  button('action', 'stop').click();
  order();
  inside(confirm, 'cancel').click();
  await settle();
  await say(200, { ...SESSION, csrf: 'c2' });
  assert.deepEqual(asked.slice(since), ['GET api/session'], 'given up');

  button('action', 'stop').click();
  order();
  await say(200, { ...SESSION, csrf: 'c3' });
  assert.equal(asked.at(-1), 'POST api/containers/0a/actions c3');
  inside(confirm, 'cancel').click();
  await settle();
  button('action', 'restart').click();
  await say(202, { id: 'x' });
  assert.equal(confirm.open, true, 'another question');

  order();
  await say(401, {});
  assert.match(inside(confirm, 'fault').textContent, /sign in again/);
  order();
  await say(200, SESSION);
  await say(202, { id: 'y' });
  assert.equal(confirm.open, false);
  end();
});

test('a change that comes while the drawer is still being answered reaches its buttons', async () => {
  const { panel, say, button, drawer, inside, end } = await looking();
  panel.show({ node: 'n', containers: [{ ...tak, state: 'exited', running: false }] }, 101);
  await say(200, { name: 'tak', actions: ['stop'] });
  await say(200, { name: 'tak', actions: ['start'] });
  assert.deepEqual(['start', 'stop'].map((action) => button('action', action).hidden), [false, true]);
  panel.show({ node: 'n', containers: [] }, 102);
  await say(404, refusal('no_such_container'));
  assert.deepEqual([button('action', 'start').hidden, inside(drawer, 'fault').textContent], [true, 'It is no_such_container.']);
  end();
});

test('a hint is shown in the dialog that lies on top', () => {
  const within = [];
  const dialog = (name) => ({ append: () => within.push(name) });
  let open = [dialog('drawer'), dialog('confirm')];
  globalThis.document = Object.assign(new EventTarget(), { body: dialog('body'), querySelectorAll: () => open, querySelector: () => open[0] ?? null });
  const life = new AbortController();
  const line = {};
  showHints(line, life.signal);
  const tap = () => {
    const target = { closest: () => ({ title: 'why' }) };
    globalThis.document.dispatchEvent(Object.defineProperty(new Event('click'), 'target', { value: target }));
  };
  tap();
  open = [];
  tap();
  assert.deepEqual([within, line.textContent], [['confirm', 'body'], 'why']);
  globalThis.document.dispatchEvent(Object.defineProperty(new Event('click'), 'target', { value: {} })); // And its clock is stopped.
  life.abort();
});
