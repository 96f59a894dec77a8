// Promise: each event is listed once, newest first, at the time at which it happened or at none, and
// never more of them than anybody looks through.

import assert from 'node:assert/strict';
import test from 'node:test';

import { EventLog, MOST, dataLine, origin } from '../../assets/event-log.js';
import { EventsPanel } from '../../assets/events.js';
import { page, part, server, settle } from './page.mjs';

const live = (id, type = 'note') => ({ id, type, data: '1' });
const told = (id, timestamp) => ({ id, type: 'note', node: 'box', channel: 'sse', timestamp, data: '1' });
const listed = (log) => log.newest(MOST).map(({ id, timestamp }) => [id, timestamp]);

test('the server’s memory and the stream are one list, without doubles', () => {
  const log = new EventLog();
  log.add(live('b'), 100);
  log.add(live('new'), 100);
  // What was heard before the memory was read may be old: it has no time yet.
  assert.deepEqual(listed(log), [['new', undefined], ['b', undefined]]);
  log.remember({ events: [told('a', 5), told('b', 7)] });
  assert.deepEqual(listed(log), [['new', undefined], ['b', 7], ['a', 5]]);
  assert.equal(log.newest(2)[1].node, 'box');
  log.add(live('b'), 101);
  log.add(live('c'), 101);
  assert.deepEqual(listed(log), [['c', 101], ['new', undefined], ['b', 7], ['a', 5]]);
});

test('a new connection brings old events, and they are not called new', () => {
  const log = new EventLog();
  log.remember({ events: [told('a', 5)] });
  log.add(live('b'), 10);
  log.connected();
  log.add(live('missed'), 90);
  log.add(live('b'), 90);
  assert.deepEqual(listed(log), [['missed', undefined], ['b', 10], ['a', 5]]);
  log.remember({ events: [told('b', 9), told('missed', 50)] });
  // The server was restarted and forgot the first: it happened all the same.
  assert.deepEqual(listed(log), [['missed', 50], ['b', 9], ['a', 5]]);
});

test('no answer, or a strange one, leaves what was heard', () => {
  for (const answer of [undefined, {}, { events: 'none' }, { events: [null, 5, {}] }]) {
    const log = new EventLog();
    log.add(live('a'), 5);
    log.remember(answer);
    log.add(live('b'), 6);
    assert.deepEqual(listed(log), [['b', 6], ['a', undefined]], JSON.stringify(answer));
  }
});

test('a hundred are kept, the newest', () => {
  const log = new EventLog();
  for (let i = 0; i < 1000; i++) log.add(live(`e${i}`), i);
  assert.equal(log.length, MOST);
  assert.equal(log.newest(1)[0].id, 'e999');
  log.remember({ events: Array.from({ length: 300 }, (_, i) => told(`t${i}`, 2000 + i)) });
  assert.deepEqual([log.length, log.newest(1)[0].id], [MOST, 'e999']);
});

test('events without an id are all listed', () => {
  const log = new EventLog();
  for (const id of [undefined, '', undefined, '']) log.add(live(id), 5);
  assert.equal(log.length, 4);
});

test('data is one readable line', () => {
  const cases = [
    ['{"wind_m_s":7.5,"from":"north-west"}', 'wind_m_s 7.5 · from north-west'],
    ['{"a":null,"b":"","c":true,"d":{"e":[1]}}', 'a nothing · b “” · c true · d {"e":[1]}'],
    ['["a",2,[3]]', 'a, 2, [3]'],
    ['"a text"', 'a text'],
    ['no JSON:\n  <b>two</b> lines', 'no JSON: <b>two</b> lines'],
    ['7.5', '7.5'],
    ['null', 'nothing'],
    ['{}', ''],
    ['', ''],
    [undefined, ''],
    [`"${'x'.repeat(3000)}"`, `${'x'.repeat(2000)}…`],
  ];
  for (const [data, line] of cases) assert.equal(dataLine({ type: 'note', data }), line);
  const alert = '{"node":"box","severity":"warning","state":"firing","message":"The disk is full."}';
  assert.equal(dataLine({ type: 'alert', data: alert }), 'warning, firing: The disk is full.');
  assert.match(dataLine({ type: 'note', data: alert }), /^node box · /);
});

test('the machine is named where there are several, the channel where it is not the usual one', () => {
  const two = ['pi', 'pi-2'];
  assert.equal(origin({ id: 'x', node: 'pi', channel: 'sse' }, ['pi']), '');
  assert.equal(origin({ id: 'x', node: 'pi', channel: 'gate' }, two), 'pi, channel gate');
  assert.equal(origin({ id: 'pi-2-18c-7' }, two), 'pi-2');
  assert.equal(origin({ id: 'pi-18c-7' }, two), 'pi');
  assert.equal(origin({ id: 'my-own' }, two), '');
});

function card(...answers) {
  page();
  const asked = server(...answers);
  const section = part('list', 'empty', 'lost', 'more', 'number');
  let drawn = 0;
  const panel = new EventsPanel(section, { onChange: () => drawn++, signal: new AbortController().signal });
  const { list, ...parts } = section.parts;
  // Rows need a real page; what is said around them doesn't.
  const rows = new Set();
  list.insertBefore = (element) => rows.add(element);
  globalThis.document.getElementById = () => ({ content: { firstElementChild: { cloneNode: () => row(rows) } } });
  return { asked, panel, parts, rows, drawn: () => drawn };
}

function row(rows) {
  const element = part('when', 'type', 'data', 'from');
  element.parts.when.classList = { toggle: () => {} };
  element.remove = () => rows.delete(element);
  return element;
}

test('the card says what it lacks: events, or those that were lost', async () => {
  const { asked, panel, parts } = card([200, { timestamp: 9, events: [told('a', 5)] }]);
  panel.show([], 10);
  assert.deepEqual([parts.empty.hidden, parts.lost.hidden, parts.more.hidden], [false, true, true]);
  await panel.ask();
  assert.deepEqual(asked, ['GET api/events']);
  panel.show([], 10);
  assert.deepEqual([parts.empty.hidden, parts.number.textContent], [true, 'the last 1 event']);
  panel.lag({ lost: 1 });
  panel.lag({});
  panel.show([], 10);
  assert.equal(parts.lost.textContent, '1 event was lost while this page could not keep up.');
  panel.lag({ lost: 20 });
  panel.show([], 10);
  assert.equal(parts.lost.textContent, '21 events were lost while this page could not keep up.');
});

test('a burst is drawn once', async () => {
  const { panel, drawn } = card();
  await panel.ask();
  panel.show([], 10);
  const before = drawn();
  for (let i = 0; i < 100; i++) panel.add(live(`e${i}`), 10);
  assert.equal(drawn(), before);
});

test('few rows are shown until all are wanted', async () => {
  const { panel, parts, rows, drawn } = card();
  for (let i = 0; i < 40; i++) panel.add(live(`e${i}`), 10);
  panel.show([], 10);
  assert.deepEqual([parts.more.hidden, parts.more.textContent, rows.size], [false, 'Show all 40', 15]);
  const before = drawn();
  parts.more.dispatchEvent(new Event('click'));
  await settle();
  assert.equal(drawn(), before + 1);
  panel.show([], 10);
  assert.deepEqual([parts.more.textContent, parts.more.getAttribute('aria-expanded'), rows.size], ['Show fewer', 'true', 40]);
});
