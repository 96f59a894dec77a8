// Promise: who is signed in is told, and the way out is offered where there is one.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Account } from '../../assets/account.js';
import { page, part, server, settle } from './page.mjs';

const session = (rest = {}) => [200, { user: 'anna', role: 'admin', by: 'password', csrf: 'c0ffee', since: 1, ...rest }];
const refusal = (status, message) => [status, { error: { code: 'x', message } }];

/** The menu of a page whose server answers this. */
function menu(...answers) {
  page();
  Object.assign(globalThis.document, { addEventListener: () => {} });
  const went = [];
  globalThis.location = { assign: (to) => went.push(to) };
  const asked = server(...answers);
  const element = Object.assign(part('summary', 'name', 'who', 'means', 'fault', 'out', 'other'), { hidden: true });
  const account = new Account(element, new AbortController().signal);
  const signOut = async () => {
    element.parts.out.dispatchEvent(new Event('click'));
    await settle();
    await settle();
  };
  return { account, asked, went, element, signOut, ...element.parts };
}

test('name and role are told, and how one got in', async () => {
  const cases = [
    [{}, 'anna, administrator', '', false],
    [{ role: 'viewer' }, 'anna, viewer: may look, and change nothing', '', false],
    [{ by: 'certificate' }, 'anna, administrator', /certificate/, true],
    [{ by: 'token', role: 'bot' }, 'anna, bot', /token/, true],
  ];
  for (const [rest, words, means, noWayOut] of cases) {
    const { account, asked, element, name, who, ...parts } = menu(session(rest));
    await account.ask();
    assert.deepEqual(asked, ['GET api/session']);
    assert.deepEqual([element.hidden, name.textContent, who.textContent], [false, 'anna', words]);
    assert.match(parts.means.textContent, means instanceof RegExp ? means : /^$/);
    assert.equal(parts.out.hidden, noWayOut);
    assert.equal(parts.other.hidden, rest.by !== 'certificate');
  }
});

test('nobody is signed in: no menu; no answer: it stays as it was', async () => {
  const { account, element } = menu(session(), refusal(503, 'Busy.'), undefined, refusal(401, 'Sign in.'));
  for (const hidden of [false, false, false, true]) {
    await account.ask();
    assert.equal(element.hidden, hidden);
  }
});

test('the way out leads to the sign-in page, with the token of this very session', async () => {
  const { asked, went, signOut } = menu(session(), [200, {}]);
  await signOut();
  assert.deepEqual(asked, ['GET api/session', 'POST api/logout c0ffee']);
  assert.deepEqual(went, ['login']);
});

test('who was signed out already just goes there', async () => {
  for (const answers of [[refusal(401, 'Sign in.')], [session(), refusal(401, 'Sign in.')]]) {
    const { went, signOut } = menu(...answers);
    await signOut();
    assert.deepEqual(went, ['login']);
  }
});

test('a way out that failed is said, and can be tried again', async () => {
  const { went, signOut, fault, out } = menu(session(), refusal(403, 'The token is another one.'), undefined, session(), [200, {}]);
  await signOut();
  assert.deepEqual([went, fault.hidden, fault.textContent], [[], false, 'Not signed out: The token is another one.']);
  assert.equal(out.disabled, false);
  await signOut();
  assert.match(fault.textContent, /cannot be reached/);
  await signOut();
  assert.deepEqual([went, fault.hidden], [['login'], true]);
});
