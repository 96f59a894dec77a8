// Promise: figures read the way people say them, and what is not known is never a 0.

import assert from 'node:assert/strict';
import test from 'node:test';

import * as format from '../../assets/format.js';

/** One table a function; non-breaking spaces are written as plain ones. */
function check(name, table) {
  test(name, () => {
    for (const [input, expected] of table) {
      const said = format[name](...[input].flat());
      assert.equal(said?.replaceAll('\u00a0', ' '), expected, `${name}(${input})`);
    }
    assert.equal(format[name](undefined), undefined);
    assert.equal(format[name](null), undefined);
    assert.equal(format[name](NaN), undefined);
  });
}

check('percent', [[0, '0.0 %'], [9.94, '9.9 %'], [9.96, '10 %'], [74.4, '74 %'], [200, '200 %']]);
check('bytes', [
  [0, '0 B'], [999, '999 B'], [999.6, '1 kB'], [95_000, '95 kB'], [999_499, '999 kB'], [999_500, '1.0 MB'],
  [64e6, '64 MB'], [3.14e9, '3.1 GB'], [999.4e6, '999 MB'], [999.6e6, '1.0 GB'], [61e9, '61.0 GB'], [2e12, '2.0 TB'],
]);
check('rate', [[0, '0 B/s'], [300_000, '300 kB/s'], [1.24e6, '1.2 MB/s'], [12.34e6, '12.3 MB/s'], [125e6, '125.0 MB/s']]);
check('ratePair', [[[210e3, 95e3], '210 / 95 kB/s'], [[1.2e6, 300e3], '1.2 MB/s / 300 kB/s']]);
check('span', [
  [-3, '0 s'], [4.9, '4 s'], [59.9, '59 s'], [60, '1 min'], [3599, '59 min'], [3600, '1 h'], [7500, '2 h 5 min'],
  [86_400, '1 d'], [531_000, '6 d 3 h'],
]);
check('spanShort', [[4, '4 s'], [7500, '2 h'], [531_000, '6 d']]);
check('daysLeft', [
  [-3, 'expired 2 days ago'], [-2, 'expired 1 day ago'], [-0.5, 'expired today'], [0, 'within a day'], [1, '1 day'], [12.9, '12 days'], [729, '729 days'],
  [730, '2.0 years'], [3300, '9.0 years'],
]);
check('countdown', [
  [-2, 'expired 1 day ago'], [-0.5, 'expired today'], [0, 'ends within a day'], [1, '1 day left'], [12, '12 days left'], [3300, '9.0 years left'],
]);
check('ago', [[0, '0 s ago'], [200, '3 min ago'], [7500, '2 h ago']]);
check('whole', [[0, '0'], [1234567.4, '1,234,567']]);
check('latency', [[0.2, '0.2 ms'], [21.4, '21 ms'], [1400, '1.4 s']]);
check('load', [[0.814, '0.81'], [12.34, '12.3']]);
check('sentence', [
  ['no Docker socket', 'No Docker socket'], ['Start it.', 'Start it.'], ['edge: it hangs', 'edge: it hangs'],
  ['/proc is gone', '/proc is gone'], ['a.example is off', 'a.example is off'], ['takpulse may not', 'takpulse may not'],
]);
check('celsius', [[61.2, '61']]);

test('one is singular', () => {
  assert.equal(format.count(1, 'problem'), '1 problem');
  assert.equal(format.count(2, 'problem'), '2 problems');
  assert.equal(format.count(0, 'core'), '0 cores');
});

test('a list ends in "and"', () => {
  assert.deepEqual([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(format.listed), ['', 'a', 'a and b', 'a, b and c']);
});
