// What the wire calls things, and what people do.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { certificateRole, containerState, layerName, layerRank, serverName } from '../../assets/words.js';

test('a server is named once, by kind and version', () => {
  const cases = [
    ['taky', 'taky-0.10', 'taky-0.10'],
    ['takserver', '5.2-RELEASE-30', 'TAK Server 5.2-RELEASE-30'],
    ['freetakserver', 'FreeTAKServer-2.2.1', 'FreeTAKServer-2.2.1'],
    ['opentakserver', undefined, 'OpenTAKServer'],
    [undefined, '1.0', '1.0'],
    [undefined, undefined, ''],
    ['new_kind', '1', 'new kind 1'],
  ];
  for (const [flavor, version, name] of cases) assert.equal(serverName(flavor, version), name);
});

test('a name that is not listed is shown as it is', () => {
  assert.equal(layerName('cot'), 'CoT ping');
  assert.equal(layerName('message_broker'), 'message broker');
  assert.equal(containerState('exited'), 'stopped');
  assert.equal(containerState('paused'), 'paused');
  assert.equal(certificateRole('takpulse'), 'this dashboard’s (takpulse)');
  assert.equal(certificateRole('server'), 'the server’s own');
  assert.equal(certificateRole('intermediate_ca'), 'intermediate ca');
});

test('every layer of the report has a name and a place, as the report orders them', () => {
  const report = readFileSync(new URL('../../src/collect/tak/report/mod.rs', import.meta.url), 'utf8');
  const [, names] = /pub enum CheckName \{(.*?)\n\}/s.exec(report);
  const layers = [...names.matchAll(/^ {4}(\w+),/gm)].map(([, name]) => name.replaceAll(/(?!^)[A-Z]/g, '_$&').toLowerCase());
  assert.ok(layers.length > 10, `${layers}`);
  assert.deepEqual(layers.map(layerRank), layers.map((_, rank) => rank), `${layers}`);
  assert.equal(layerRank('new_layer'), Infinity);
});
