// Promise: the strip shows where the TAK server breaks: one box for each layer, whatever the number of
// ports, and what to do about each that fails.

import assert from 'node:assert/strict';
import test from 'node:test';

import { layersOf, reasonsOf } from '../../assets/layers.js';
import { places, seenAt } from '../../assets/places.js';

const check = (name, port, ok, message, latency_ms) => ({ name, target: `127.0.0.1:${port}`, ok, message, latency_ms });
const boxes = (...checks) => layersOf(checks).map(({ name, kind, word, detail }) => [name, kind, word.replaceAll('\u00a0', ' '), detail].join(' | '));

test('equal layers of several ports share a box, in the order in which one reaches them', () => {
  const all = [
    check('cot', 8087, true, '', 7.8),
    check('port', 8087, true, '', 0.2),
    check('port', 8089, true, '', 21.4),
    { name: 'new_layer', target: 'x', ok: true },
    { name: 'process', target: 'takserver', ok: true },
  ];
  assert.deepEqual(boxes(...all), [
    'Processes | ok | ok | takserver',
    'Port | ok | ok, 21 ms | 8087, 8089',
    'CoT ping | ok | ok, 7.8 ms | 8087',
    'new layer | ok | ok | x',
  ]);
});

test('a box is as bad as its worst port, and names it', () => {
  assert.deepEqual(boxes(check('cot', 8087, true, '', 1), check('cot', 8089, false, '', 5000)), ['CoT ping | bad | 1 of 2 failed | 8089']);
  assert.deepEqual(boxes(check('cot', 8087, false), check('cot', 8089, false)), ['CoT ping | bad | failed | 8087, 8089']);
  assert.deepEqual(boxes(check('cot', 8087, undefined)), ['CoT ping | unknown | not known | 8087']);
  // What is known of one port says nothing of the other.
  assert.deepEqual(boxes(check('cot', 8087, undefined), check('cot', 8089, true, '', 4)), ['CoT ping | ok | 1 of 2 ok, 4.0 ms | 8089']);
  assert.deepEqual(boxes(), []);
});

test('all that was said of a layer can be had from its box', () => {
  const [{ title }] = layersOf([check('port', 8087, true, 'Fine.', 1), check('port', 8089, false, 'Nothing listens.')]);
  assert.equal(title.replaceAll('\u00a0', ' '), 'Port\n127.0.0.1:8087, 1.0 ms, Fine.\n127.0.0.1:8089, Nothing listens.');
});

test('each failing layer says why; what several say alike is said once', () => {
  const { failed, unknown } = reasonsOf([
    check('tls', 8089, undefined, 'Set a certificate.'),
    check('database', 5432, false, 'Start it.'),
    check('cot', 8089, undefined, 'Set a certificate.'),
    check('port', 8087, false, 'Told above.'),
    check('port', 8089, true, 'Fine.'),
    check('api', 8443, undefined, ''),
  ], ['Told above.', undefined]);
  assert.deepEqual(failed.map(({ name, message }) => [name, message]), [['Database (5432):', 'Start it.']]);
  assert.deepEqual(unknown.map(({ name, message }) => [name, message]), [['TLS and CoT ping (8089):', 'Set a certificate.']]);
});

test('a place is as short as it stays clear', () => {
  assert.deepEqual(places(['127.0.0.1:8089', 'https://127.0.0.1:8443/Marti/api/version', '/opt/tak/certs/takserver.p12']), ['8089', '8443', 'takserver.p12']);
  assert.deepEqual(places(['a:1', 'b:1', 'a:1']), ['a:1', 'b:1']);
  assert.deepEqual(places(['https://box/x', 'http://box']), ['443', '80']);
  assert.deepEqual(places(['[::1]:8089', 'takserver.service', 'http://[', '/']), ['8089', 'takserver.service', 'http://[', '/']);
  assert.deepEqual(places([undefined, '']), []);
  assert.equal(seenAt(['h:8089', 'h:8443', '/a/takserver.p12']), 'on 8089, 8443 and in takserver.p12');
  assert.equal(seenAt(['h:8089', 'h:8443']), 'on 8089 and 8443');
  assert.equal(seenAt(['/a/x.pem']), 'in x.pem');
  assert.equal(seenAt(['h:1', 'h:2', 'h:3', 'h:4', 'h:5', 'h:6']), 'on 1, 2, 3, 4 and 2 more');
  assert.equal(seenAt([]), undefined);
});
