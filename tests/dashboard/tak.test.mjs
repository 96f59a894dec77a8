// Promise: the TAK panel says what a reading says, no more: the verdict, each server by itself, and no
// card for what there is nothing to show of.

import assert from 'node:assert/strict';
import test from 'node:test';

import { fields } from '../../assets/dom.js';
import { TakPanel, serverBlocks } from '../../assets/tak.js';
import { document, lines } from './document.mjs';

const check = (name, port, ok, message, server) => ({ server, name, target: `h:${port}`, ok, message });

function panel() {
  const byId = document();
  const sections = { tak: byId('tak'), users: byId('users'), inside: byId('inside') };
  const tak = new TakPanel(sections, new AbortController().signal);
  return { tak, sections, parts: fields(sections.tak), users: fields(sections.users) };
}

test('the failing layer is told without a tap, what is not known with one', () => {
  const { tak, parts } = panel();
  const checks = [check('port', 8089, true), check('cot', 8089, false, 'It hangs: restart it.'), check('database', 5432, false, 'Start it.'), check('api', 8443, undefined, 'Set a certificate.')];
  tak.show({ status: 'degraded', flavor: 'takserver', version: '5.4', checks, certificates: [], message: 'It hangs: restart it.' }, 1);
  assert.deepEqual([parts.pill.visible, parts.about.visible, parts.notice.visible], ['Degraded', 'TAK Server 5.4', 'It hangs: restart it.']);
  const [block] = parts.servers.children;
  const { head, layers, reasons, why, unknown, fold } = fields(block);
  assert.equal(head.hidden, true, 'a single server needs no name');
  assert.deepEqual(lines(layers), ['Port ok 8089', 'CoT ping failed 8089', 'API not known 8443', 'Database failed 5432']);
  assert.deepEqual(lines(reasons), ['Database (5432): Start it.'], 'the other one stands above');
  assert.deepEqual([why.visible, lines(unknown)[0]], ['Why 1 layer is not known', 'API (8443): Set a certificate.']);
  assert.equal(fold.hidden, false);
  tak.show({ status: 'healthy', checks: [check('port', 8089, true)], certificates: [], message: 'Fine.' }, 1);
  assert.equal(parts.servers.children[0], block, 'written to in place');
  assert.deepEqual([lines(layers), lines(reasons), fold.hidden], [['Port ok 8089'], [], true]);
});

test('each of several servers has a verdict of its own, and its sentence once', () => {
  const { tak, parts, sections } = panel();
  const servers = [
    { name: 'a', status: 'degraded', flavor: 'taky', version: 'taky-0.10', connections: 3, distinct: 2, message: 'It is slow.', server: { uptime_seconds: 60 } },
    { name: 'b', status: 'down', message: 'Start it.' },
  ];
  const checks = [check('port', 1, true, '', 'a'), check('port', 2, false, 'Start it.', 'b')];
  tak.show({ status: 'down', flavor: 'taky', version: 'x', checks, certificates: [], servers, message: 'b: Start it.' }, 1);
  assert.equal(parts.about.visible, '2 servers');
  assert.deepEqual(lines(parts.servers), ['a Degraded taky-0.10, 2 users, 3 connections It is slow. Port ok 1', 'b Down Port failed 2']);
  assert.equal(sections.inside.hidden, false);
  assert.deepEqual(lines(fields(sections.inside).blocks), ['a Uptime 1 min']);
});

test('checks and figures find their server', () => {
  const names = (data) => serverBlocks(data).map(({ name, checks, inside }) => [name, checks.length, inside?.uptime_seconds]);
  const inside = { uptime_seconds: 1 };
  assert.deepEqual(names({ checks: [check('port', 1)], server: inside }), [['', 1, 1]]);
  assert.deepEqual(names({ checks: [], server: inside }), [['', 0, 1]]);
  assert.deepEqual(names({ checks: [check('port', 1, true, '', 'a'), check('port', 1, true, '', 'b')] }), [['a', 1, undefined], ['b', 1, undefined]]);
  const told = { checks: [check('port', 1, true, '', 'a'), check('port', 1, true, '', 'c')], servers: [{ name: 'b', server: inside }, { name: 'a' }] };
  assert.deepEqual(names(told), [['b', 0, 1], ['a', 1, undefined], ['c', 1, undefined]]);
});

test('a card is there only while there is something to show', () => {
  const { tak, sections } = panel();
  const shown = () => [sections.users, sections.inside].map(({ hidden }) => !hidden);
  tak.showState(undefined, true, true);
  assert.deepEqual(shown(), [false, false], 'waiting is said once');
  const nothing = { status: 'not_installed', checks: [], certificates: [] };
  tak.show(nothing, 1);
  assert.deepEqual(shown(), [false, false]);
  // A round that could not be finished: who is on is not known, and that is said.
  tak.show({ checks: [], certificates: [], message: 'No answer.' }, 1);
  assert.deepEqual(shown(), [true, false]);
  tak.show({ status: 'healthy', checks: [], certificates: [], server: { uptime_seconds: 1 } }, 1);
  assert.deepEqual(shown(), [true, true]);
  tak.showState({ data: {}, age: 1, stale: false }, true, true);
  assert.deepEqual(shown(), [true, true]);
  tak.showState(undefined, true, true);
  assert.deepEqual(shown(), [false, false], 'another machine, of which nothing was heard');
});

test('an old reading is grey everywhere, and its ages stand still', () => {
  const { tak, sections, users } = panel();
  const data = { timestamp: 1000, status: 'healthy', checks: [], certificates: [], clients: { distinct: 1, connections: 1, list: [{ uid: 'u', last_report: 940 }], sources: [] } };
  const report = () => fields(users.rows.children[0]).report.visible;
  tak.show(data, 1000);
  tak.showState({ data, age: 0, stale: false }, true, true);
  tak.tick(1060);
  assert.equal(report(), '2 min ago');
  tak.showState({ data, age: 600, stale: true }, true, true);
  tak.tick(1600);
  assert.equal(report(), '1 min ago', 'who has reported since is not known');
  for (const section of Object.values(sections)) {
    assert.equal(section.getAttribute('data-state'), 'stale');
    assert.equal(fields(section).age.visible, '10 min old');
  }
  tak.showState({ data, age: 20, stale: false }, false, true);
  tak.tick(1100);
  assert.equal(report(), '1 min ago', 'nor after the connection was lost');
});
