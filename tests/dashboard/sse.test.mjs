// Promise: the stream is read as the WHATWG specification says, however the network cuts it up.

import assert from 'node:assert/strict';
import test from 'node:test';

import { SseParser } from '../../assets/sse.js';

/** What comes of these pieces of text: `[type, data, id]` each. */
function heard(...pieces) {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.feed(piece)).map(({ type, data, id }) => [type, data, id]);
}

const one = (data, type = 'message', id = undefined) => [[type, data, id]];

const CASES = [
  ['Flask-SSE’s own spacing', 'event:note\ndata:{"a":1}\nid:b-1-7\n\n', one('{"a":1}', 'note', 'b-1-7')],
  ['one leading space goes, and only one', 'event: note\ndata:  x\nid: 7\n\n', one(' x', 'note', '7')],
  ['carriage returns end lines', 'data:a\r\rdata:b\r\r', [...one('a'), ...one('b')]],
  ['both together are one end', 'data:a\r\ndata:b\r\n\r\n', one('a\nb')],
  ['all three mixed', 'data:a\r\n\ndata:b\n\rdata:c\r\r\n', [...one('a'), ...one('b'), ...one('c')]],
  ['several data lines', 'data:a\ndata\ndata:\ndata:b\n\n', one('a\n\n\nb')],
  ['the specification’s own example', 'data\n\ndata\ndata\n\ndata:', [...one(''), ...one('\n')]],
  ['no data line, no event', 'event:note\nid:5\n\ndata:x\n\n', one('x')],
  ['the type is forgotten afterwards', 'event:note\ndata:1\n\ndata:2\n\n', [...one('1', 'note'), ...one('2')]],
  ['comments', ': takpulse\n:\ndata:x\n:y\n\n', one('x')],
  ['a byte order mark, once', '\ufeffdata:x\n\n\ufeffdata:y\n\n', one('x')],
  ['a mark that is a text of its own', 'data:\ufeffx\n\n', one('\ufeffx')],
  ['unknown fields, and names in capitals', 'Data:x\nfoo:bar\n data:y\ndata:z\n\n', one('z')],
  ['an id with NUL is none', 'id:a\0b\ndata:x\n\n', one('x')],
  ['a colon in the data', 'data:a:b: c\n\n', one('a:b: c')],
  ['an unfinished event is none', 'data:x\n\ndata:y\n', one('x')],
  ['names that objects have already', 'event:constructor\ndata:x\n\n__proto__:y\n\n', one('x', 'constructor')],
];

test('each rule is kept', () => {
  for (const [name, text, events] of CASES) assert.deepEqual(heard(text), events, name);
});

test('where the network cuts makes no difference: in two, in three, letter by letter', () => {
  for (const [name, text, events] of CASES) {
    for (let i = 0; i <= text.length; i++) {
      assert.deepEqual(heard(text.slice(0, i), text.slice(i)), events, `${name}, cut at ${i}`);
      for (let k = i; k <= text.length; k++) {
        assert.deepEqual(heard(text.slice(0, i), '', text.slice(i, k), text.slice(k)), events, `${name}, cut at ${i} and ${k}`);
      }
    }
    assert.deepEqual(heard(...text), events, `${name}, letter by letter`);
  }
});

test('letters of several bytes survive a cut in their midst', () => {
  const bytes = new TextEncoder().encode('\ufeffevent:note\ndata:Grüße – 🚁 三\r\nid:ü\r\n\r\n');
  for (let i = 0; i <= bytes.length; i++) {
    // As stream.js does it: the parser takes the byte order mark away.
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const pieces = [bytes.subarray(0, i), bytes.subarray(i)].map((piece) => decoder.decode(piece, { stream: true }));
    assert.deepEqual(heard(...pieces), one('Grüße – 🚁 三', 'note', 'ü'), `cut at ${i}`);
  }
});

test('the last id stays when later events bring none, and may be taken back', () => {
  const parser = new SseParser();
  const after = (text) => (parser.feed(text), parser.lastId);
  assert.equal(after('id:a\ndata:x\n'), '', 'not before the event is complete');
  assert.equal(after('\n'), 'a');
  assert.equal(after('data:y\n\n'), 'a');
  assert.equal(after('id:b\0\ndata:y\n\n'), 'a');
  assert.equal(after('id:b\n\n'), 'b', 'an id without data counts');
  assert.equal(after('id\n\n'), '');
});

test('retry is a number, or nothing', () => {
  const parser = new SseParser();
  const after = (text) => (parser.feed(text), parser.retry);
  assert.equal(after('retry:soon\nretry:-1\nretry:1.5\nretry\nretry:\n'), undefined);
  assert.equal(after('retry: 2500\n'), 2500, 'without waiting for an event');
  assert.equal(after('retry:x\n'), 2500);
});

test('what never ends is not kept for ever', () => {
  const endless = (head, piece) => {
    const parser = new SseParser(1000);
    parser.feed(head);
    for (let i = 0; i < 200; i++) parser.feed(piece);
  };
  for (const [head, piece] of [['data:', 'xxxxxxxxxx'], [':', 'xxxxxxxxxx'], ['', 'data:xxxxx\n'], ['', 'data\n'.repeat(20)]]) {
    assert.throws(() => endless(head, piece), RangeError, head + piece);
  }
  endless('', 'data:xxxxx\n\n');
  endless('', ':xxxxxxxx\n');
});
