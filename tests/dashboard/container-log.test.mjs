// Promise: a log is bounded and loses nothing by a pause; what is looked for is found as it was typed; and
// what is being done to a container is told in words.

import assert from 'node:assert/strict';
import test from 'node:test';

import { dataLine } from '../../assets/event-log.js';
import { LogBuffer } from '../../assets/log-buffer.js';
import { asText, lostLine, moment, streamWord } from '../../assets/log-line.js';
import { isIn, needleOf, pieces, step } from '../../assets/log-search.js';
import { endWords, isPassing, statusOf } from '../../assets/log-status.js';
import { Operations, sentenceOf } from '../../assets/operations.js';

/** A buffer, and the page that draws it. */
function drawn(most) {
  const buffer = new LogBuffer(most);
  const page = [];
  const draw = () => {
    const { gone, fresh } = buffer.changes();
    assert.ok(gone <= page.length, 'there is as much to take away');
    page.splice(0, gone);
    page.push(...fresh);
  };
  const add = (from, to) => {
    for (let number = from; number < to; number++) buffer.add(number);
  };
  return { buffer, page, draw, add };
}

test('the page shows what the buffer holds, however often it is drawn, and never more than may be', () => {
  const { buffer, page, draw, add } = drawn(100);
  add(0, 60);
  draw();
  draw();
  assert.deepEqual(page, buffer.lines);
  for (let from = 60; from < 1000; from += 37) {
    add(from, from + 37);
    if (from % 2) draw();
    assert.ok(buffer.length <= 100, `${buffer.length}`);
  }
  add(1000, 2000); // More than it holds, between two drawings.
  draw();
  assert.deepEqual(page, buffer.lines);
  assert.equal(page.at(-1), 1999);
  assert.ok(page.length > 90 && buffer.forgot);
});

test('a pause holds the page as it is, counts what waits, and loses no line', () => {
  const { buffer, page, draw, add } = drawn(100);
  add(0, 50);
  buffer.paused = true;
  draw();
  add(50, 90);
  buffer.release();
  draw();
  assert.deepEqual([page.length, buffer.waiting, buffer.full], [50, 40, false]);
  add(90, 150);
  assert.equal(buffer.full, true, 'now nothing more must be asked for');
  buffer.paused = false;
  buffer.release();
  add(150, 155);
  draw();
  assert.deepEqual([buffer.waiting, buffer.full, page.at(-1)], [0, false, 154]);
  assert.ok(page.every((line, at) => at === 0 || line === page[at - 1] + 1), `${page}`);
});

test('whoever looks further up keeps his lines: new ones are added below, and wait when there is no room', () => {
  const { buffer, page, draw, add } = drawn(100);
  add(0, 90);
  buffer.away = true;
  add(90, 120);
  draw();
  assert.deepEqual([page[0], page.length, buffer.waiting], [0, 100, 20]);
  buffer.release();
  assert.equal(buffer.waiting, 20, 'still there');
  buffer.away = false;
  buffer.release();
  draw();
  assert.deepEqual([buffer.waiting, page.at(-1)], [0, 119]);
});

test('who goes on further up sees the lines in their order', () => {
  const { buffer, page, draw, add } = drawn(100);
  buffer.paused = true;
  add(0, 5);
  buffer.away = true;
  buffer.paused = false;
  buffer.release();
  add(5, 9);
  buffer.away = false;
  buffer.release();
  draw();
  assert.deepEqual(page, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test('what is kept and what waits is bounded in letters too', () => {
  const buffer = new LogBuffer(1000, 1000);
  const lettersIn = (lines) => lines.reduce((sum, { text }) => sum + text.length, 0);
  const add = (number) => {
    for (let at = 0; at < number; at++) buffer.add({ text: String(at).padStart(100, '.') });
  };
  add(300);
  assert.ok(lettersIn(buffer.lines) <= 1000 && buffer.length >= 9, `${buffer.length} lines`);
  assert.deepEqual([buffer.lines.at(-1).text.endsWith('299'), buffer.forgot], [true, true]);
  buffer.away = true;
  const first = buffer.lines[0];
  add(5);
  assert.deepEqual([buffer.lines[0], buffer.waiting > 0], [first, true], 'who looks further up keeps his lines');
  buffer.away = false;
  buffer.release();
  buffer.paused = true;
  add(9);
  assert.equal(buffer.full, false);
  add(1);
  assert.equal(buffer.full, true, 'now nothing more must be asked for');
  buffer.paused = false;
  buffer.release();
  buffer.paused = true;
  add(9);
  assert.deepEqual([buffer.full, lettersIn(buffer.lines) <= 1000], [false, true], 'counted anew');
});

test('what is typed is looked for as it stands, in capitals or not', () => {
  for (const [typed, text, hit] of [
    ['a.c', 'xA.Cx', true],
    ['a.c', 'abc', false],
    ['(', 'f(x)', true],
    ['[1]/{2}', 'at [1]/{2}|', true],
    ['\\d', '5', false],
    ['ä', 'Ärger', true],
    ['İ', 'xİx', true],
    ['-', 'a-b', true],
  ]) {
    assert.equal(isIn(needleOf(typed), text), hit, `${typed} in ${text}`);
  }
  assert.equal(needleOf(''), undefined);
  const needle = needleOf('ab');
  assert.deepEqual([isIn(needle, 'ab'), isIn(needle, 'ab')], [true, true], 'asked twice');
  const told = (text) => pieces(needle, text).map(({ text: piece, hit }) => (hit ? `<${piece}>` : piece)).join('');
  isIn(needle, 'xxxxxab');
  assert.equal(told('abXabYAB'), '<ab>X<ab>Y<AB>');
  assert.equal(told('none'), 'none');
  assert.equal(told('ab '.repeat(500)).replaceAll(/[<>]/g, ''), 'ab '.repeat(500), 'not a letter gets lost');
});

test('the next hit goes round', () => {
  assert.deepEqual([step(-1, 1, 3), step(0, 1, 3), step(2, 1, 3), step(-1, -1, 3), step(0, -1, 3), step(1, 1, 0)], [0, 1, 0, 2, 2, -1]);
});

test('a line’s time is the viewer’s, with its day when that is not today', () => {
  const noon = new Date(2026, 10, 24, 12, 0, 0).getTime();
  assert.equal(moment(noon / 1000 + 1.25, noon).time, '12:00:01');
  assert.equal(moment(noon / 1000 + 1.25, noon).utc, new Date(noon + 1250).toISOString());
  assert.equal(moment(noon / 1000 - 86_400, noon).time, '23 Nov 12:00:00');
  assert.deepEqual(moment(undefined), { time: '', utc: undefined });
  assert.deepEqual(['stdout', 'stderr', 'other', undefined].map(streamWord), ['out', 'err', 'other', '']);
  assert.equal(asText([{ timestamp: 1.5, stream: 'stderr', text: 'a' }, lostLine({ lost: 2 }), { text: 'b' }]), '1970-01-01T00:00:01.500Z err a\n… 2 lines left out: they came faster than they could be sent.\nb\n');
  assert.match(lostLine({}).note, /^… lines left out/, 'nobody knows how many');
});

test('how a log stands is a sentence', () => {
  const still = { waiting: 0, full: false, paused: false, length: 3 };
  const told = (connection, buffer) => {
    const { text, more } = statusOf(connection, { ...still, ...buffer });
    return more ? `${text} [on]` : text;
  };
  assert.equal(told({ state: 'connecting' }), 'Connecting…');
  assert.equal(told({ state: 'open' }), 'Live, 3 lines');
  assert.equal(told({ state: 'open' }, { length: 0 }), 'Live: it has not said anything yet.');
  assert.equal(told({ state: 'waiting', refusal: 'too many logs are open.' }), 'Reconnecting… Too many logs are open.');
  assert.equal(told({ state: 'refused', refusal: 'not for you.' }), 'Not for you. [on]');
  assert.match(told({ state: 'signed-out' }), /sign in/);
  assert.equal(told({ state: 'open' }, { paused: true, waiting: 1 }), 'Paused: 1 line waits.');
  assert.equal(told({ state: 'resting' }, { waiting: 5000, full: true }), 'Held, while you look further up: 5000 lines wait, the rest is read when you go on.');
  assert.equal(told({ state: 'resting', end: { reason: 'not_running' } }), 'It does not run: this is the end of its log. [on]');
  assert.equal(endWords({ reason: 'new_reason' }), 'The log has ended: new reason.');
  assert.equal(endWords({ reason: 'failed', message: 'use another log driver.' }), 'Use another log driver.');
  const reasons = ['end', 'not_running', 'restarted', 'removed', 'engine_gone', 'failed'];
  assert.deepEqual(reasons.filter((reason) => isPassing({ reason })), ['restarted', 'engine_gone'], 'these go on by themselves');
});

const step_ = (state, more) => ({ node: 'n', container: 'c', name: 'tak', action: 'restart', state, by: 'anna', timestamp: 100, ...more });

test('what is done to a container is told: under way, done, failed; to everybody', () => {
  assert.equal(sentenceOf(step_('in_progress')), 'tak restarting…, asked by anna');
  assert.equal(sentenceOf(step_('completed', { duration_seconds: 2.4 })).replaceAll('\u00a0', ' '), 'tak restarted in 2 s, asked by anna');
  assert.equal(sentenceOf(step_('error', { message: 'it is gone.' })), 'Restart of tak failed: It is gone. (asked by anna)');
  assert.equal(sentenceOf(step_('in_progress', { action: 'melt', by: undefined })), 'tak melt…');
  assert.equal(dataLine({ type: 'container_action', data: JSON.stringify(step_('in_progress')) }), 'tak restarting…, asked by anna');
});

test('the last step counts, for as long as it is news', () => {
  const operations = new Operations();
  const take = (state, more) => operations.take(JSON.stringify(step_(state, more)));
  const told = (now) => operations.of('n', 'c', now)?.state;
  assert.deepEqual([operations.take('{'), operations.take('null'), operations.take('{}'), take('odd')], [false, false, false, false]);
  assert.equal(take('in_progress'), true);
  assert.deepEqual(operations.of('n', 'c', 101), { state: 'in_progress', kind: 'idle', doing: 'restarting…', text: 'tak restarting…, asked by anna' });
  assert.equal(told(500), undefined, 'its end was lost');
  take('completed', { timestamp: 103 });
  assert.equal(take('in_progress'), false, 'an old one, told twice');
  assert.deepEqual([told(104), told(170), told(undefined)], ['completed', undefined, 'completed']);
  take('error', { timestamp: 200 });
  assert.deepEqual([operations.of('n', 'c', 300).kind, told(300), told(900)], ['warning', 'error', undefined]);
  assert.deepEqual([operations.of('n', 'd', 201), operations.of('m', 'c', 201)], [undefined, undefined], 'another one, or another machine’s');
});
