// Promise: whoever may come in comes in, and whoever may not is told why in words, and what to do.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { beforeEach, mock } from 'node:test';

import { SignIn } from '../../assets/login.js';
import { page, part, server } from './page.mjs';

const IN = [200, { user: 'admin', role: 'admin' }];
const refusal = (status, code, message, headers) => [status, { error: { code, message } }, headers];

/** The form of a page whose server answers this. */
function form(...answers) {
  page();
  const went = [];
  globalThis.location = { replace: (to) => went.push(to) };
  const asked = server(...answers);
  const parts = { form: part(), ...part('user', 'password', 'reveal', 'button', 'fault', 'message').parts };
  parts.fault.hidden = true;
  Object.assign(parts.button, { textContent: 'Sign in', disabled: false });
  Object.assign(parts.user, { value: 'admin' });
  Object.assign(parts.password, { value: 'secret', type: 'password', select: () => (parts.password.selected = true) });
  const page_ = new SignIn(parts);
  const submit = async () => {
    parts.form.dispatchEvent(new Event('submit', { cancelable: true }));
    for (let turn = 0; turn < 50; turn++) await null;
    await new Promise(setImmediate);
  };
  return { asked, went, submit, look: () => page_.look(), ...parts };
}

beforeEach(() => mock.timers.reset());

test('the right password leads in, once the browser has kept the cookie', async () => {
  const { asked, went, submit } = form(IN, [200, {}]);
  await submit();
  assert.deepEqual(asked, ['POST api/login {"user":"admin","password":"secret"}', 'GET api/session']);
  assert.deepEqual(went, ['./']);
});

test('a browser that keeps no cookie is told, instead of being sent in circles', async () => {
  const { went, submit, message, button } = form(IN, refusal(401, 'signed_out', 'Sign in.'));
  await submit();
  assert.deepEqual([went, button.disabled], [[], false]);
  assert.match(message.textContent, /cookie/);
});

test('who is signed in already goes in at once', async () => {
  const { went, look } = form([200, {}]);
  await look();
  assert.deepEqual(went, ['./']);
});

test('who is known by a certificate has come to be somebody else', async () => {
  const { went, look } = form([200, { by: 'certificate' }]);
  await look();
  assert.deepEqual(went, []);
});

test('a certificate that was refused is told; that nobody is signed in yet is not', async () => {
  const refused = form(refusal(401, 'certificate_refused', 'The certificate of anna has expired.'));
  await refused.look();
  assert.deepEqual([refused.fault.hidden, refused.message.textContent], [false, 'The certificate of anna has expired.']);
  for (const answers of [[refusal(401, 'signed_out', 'Sign in.')], []]) {
    const { look, fault, went } = form(...answers);
    await look();
    assert.deepEqual([fault.hidden, went], [true, []]);
  }
});

test('a wrong password is said in words, and is selected to be typed again', async () => {
  const { went, submit, fault, message, password, button } = form(refusal(401, 'wrong_password', 'The password is wrong.'));
  password.type = 'text';
  await submit();
  assert.deepEqual([fault.hidden, message.textContent, went], [false, 'The password is wrong.', []]);
  assert.deepEqual([password.focused, password.selected, password.type], [true, true, 'password']);
  assert.deepEqual([button.disabled, button.textContent], [false, 'Sign in']);
});

test('too many attempts: the seconds are counted, and then it can be tried again', async () => {
  for (const [status, headers, seconds] of [[429, { 'Retry-After': '12' }, 12], [503, { 'Retry-After': '3' }, 3], [503, {}, 5]]) {
    const { asked, submit, message, password, button } = form(refusal(status, 'x', 'Wait a little.', headers), IN, [200, {}]);
    mock.timers.enable({ apis: ['setInterval', 'Date'] });
    await submit();
    assert.equal(message.textContent, 'Wait a little.');
    assert.deepEqual([button.disabled, button.textContent], [true, `Try again in ${seconds} s`]);
    mock.timers.tick(1000);
    assert.equal(button.textContent, `Try again in ${seconds - 1} s`);
    await submit();
    assert.equal(asked.length, 1, 'not before its time');
    mock.timers.tick((seconds - 1) * 1000);
    assert.deepEqual([button.disabled, button.textContent, password.value, password.selected], [false, 'Sign in', 'secret', undefined]);
    await submit();
    assert.equal(asked.length, 3);
    mock.timers.reset();
  }
});

test('no answer, or one without words, is said too', async () => {
  const gone = form();
  await gone.submit();
  assert.match(gone.message.textContent, /cannot be reached/);
  assert.equal(gone.button.disabled, false);
  const odd = form([500, 'oops']);
  await odd.submit();
  assert.match(odd.message.textContent, /answered 500/);
  assert.equal(odd.button.disabled, false);
});

test('two clicks are one attempt', async () => {
  const { asked, submit } = form(IN, [200, {}]);
  await Promise.all([submit(), submit()]);
  assert.equal(asked.filter((one) => one.startsWith('POST')).length, 1);
});

test('the password can be looked at', () => {
  const { password, reveal } = form();
  const click = () => reveal.dispatchEvent(new Event('click'));
  click();
  assert.deepEqual([password.type, reveal.textContent, reveal.getAttribute('aria-label')], ['text', 'Hide', 'Hide the password']);
  click();
  assert.deepEqual([password.type, reveal.textContent, reveal.getAttribute('aria-label')], ['password', 'Show', 'Show the password']);
});

test('the form is one that password managers and screen readers understand', () => {
  const html = readFileSync(new URL('../../assets/login.html', import.meta.url), 'utf8');
  // Should the script not come, the password must not end up in an address.
  assert.match(html, /<form [^>]*method="post"/);
  for (const [id, kind] of [['user', 'username'], ['password', 'current-password']]) {
    assert.match(html, new RegExp(`<label for="${id}">`));
    assert.match(html, new RegExp(`<input id="${id}" name="${id}"[^>]* autocomplete="${kind}"[^>]* required`));
  }
  assert.match(html, /role="alert"/);
  assert.match(html, /<noscript>/);
});
