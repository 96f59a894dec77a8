// Promise: the certificate that ends first is on top, in words and with where it was seen, and no user's
// certificate ever stands in front of the server's.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Certificates, kindOf, ordered, pressing } from '../../assets/certificates.js';
import { fields } from '../../assets/dom.js';
import { document, lines } from './document.mjs';

const certificate = (role, days_left, more) => ({ role, days_left, subject: `${role}${days_left}`, issuer: 'ca', source: 'h:8089', not_after: 1e9, ...more });
const names = (all) => all.map(({ subject }) => subject).join(' ');

test('what ends first is on top; users’ follow, those long gone last', () => {
  const all = [certificate('file', -900), certificate('file', -3), certificate('issuer', 600), certificate('server', 12), certificate('client', undefined), certificate('file', 5)];
  assert.equal(names(ordered(all)), 'server12 issuer600 clientundefined file-3 file5 file-900');
});

test('what ends within 90 days is shown, and always the first three, but not each user’s', () => {
  const server = [12, 90, 91, 500, 600].map((days) => certificate('server', days));
  assert.equal(names(pressing(server)), 'server12 server90 server91');
  assert.equal(names(pressing(server.slice(2))), 'server91 server500 server600');
  const six = [1, 2, 3, 89, 90, 91].map((days) => certificate('issuer', days));
  assert.equal(pressing(six).length, 5);
  const files = ordered([...server, ...[-40, -30, 4, 5, 6].map((days) => certificate('file', days))]);
  assert.equal(names(pressing(files)), 'server12 server90 server91 file-30 file4 file5');
  const only = ordered([-40, -41, -42, -43].map((days) => certificate('file', days)));
  assert.equal(pressing(only).length, 3);
});

test('a week is bad, a month a warning, and a user’s is neither', () => {
  const kinds = (role) => [-1, 7, 8, 30, 31, undefined].map((days) => kindOf(certificate(role, days))).join(' ');
  assert.equal(kinds('server'), 'bad bad warning warning ok unknown');
  assert.equal(kinds('takpulse'), 'bad bad warning warning ok unknown');
  assert.equal(kinds('file'), 'idle idle idle idle idle unknown');
});

function list() {
  const parts = fields(document()('tak'));
  const panel = new Certificates(parts, new AbortController().signal);
  return { parts, panel };
}

test('each says what is left, whose it is, where it was seen and who signed it', () => {
  const { parts, panel } = list();
  panel.show([
    certificate('server', 12, { subject: 'takserver', also: ['h:8443', '/opt/takserver.p12'] }),
    certificate('takpulse', 800, { subject: 'box', issuer: 'box', source: '/c.pem' }),
    certificate('file', -1, { subject: 'alice', source: '/f/alice.pem', server: 'edge' }),
  ]);
  assert.deepEqual(lines(parts.certificates), [
    'takserver 12 days left the server’s own · on 8089, 8443 and in takserver.p12 · signed by ca',
    'box 2.2 years left this dashboard’s (takpulse) · in c.pem · self-signed',
    'alice expired today in the server’s folder · edge · in alice.pem · signed by ca',
  ]);
  const [first, , last] = parts.certificates.children;
  assert.equal(fields(first).where.getAttribute('title'), 'h:8089\nh:8443\n/opt/takserver.p12');
  assert.match(fields(first).pill.getAttribute('title'), /^until \d+ Sept? 2001$/);
  assert.equal(last.getAttribute('data-role'), 'file');
  assert.deepEqual([parts.none.hidden, parts.allCertificates.hidden], [true, true]);
});

test('the rest is a click away, and stays there when new readings come', () => {
  const { parts, panel } = list();
  const all = Array.from({ length: 12 }, (_, i) => certificate('issuer', 100 + i));
  panel.show(all);
  const [first] = parts.certificates.children;
  const says = () => [parts.certificates.children.length, parts.allCertificates.visible, parts.allCertificates.getAttribute('aria-expanded')];
  assert.deepEqual(says(), [3, 'Show all 12', 'false']);
  parts.allCertificates.click();
  assert.deepEqual(says(), [12, 'Show fewer', 'true']);
  panel.show(all.map((one) => ({ ...one })));
  assert.deepEqual(says(), [12, 'Show fewer', 'true']);
  assert.equal(parts.certificates.children[0], first, 'written to in place');
  panel.show([]);
  assert.deepEqual([parts.none.hidden, parts.allCertificates.hidden, parts.certificateBox.hidden], [false, true, false]);
  panel.show([], true);
  assert.equal(parts.certificateBox.hidden, true);
});
