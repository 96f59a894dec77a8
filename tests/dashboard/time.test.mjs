// Promise: ages are told by the server's clock, and a reading that stopped coming is called stale.

import assert from 'node:assert/strict';
import test from 'node:test';

import { MAX_SECONDS, backoff } from '../../assets/backoff.js';
import { ServerClock } from '../../assets/clock.js';
import { Freshness } from '../../assets/freshness.js';
import { Sightings } from '../../assets/sightings.js';
import { Spark } from '../../assets/spark.js';
import { Store } from '../../assets/store.js';

test('attempts are spread, from about a second to half a minute', () => {
  assert.deepEqual([backoff(0, 0), backoff(0, 1)], [1, 2]);
  assert.deepEqual([backoff(1, 0), backoff(1, 1)], [2, 4]);
  assert.deepEqual([backoff(50, 0), backoff(50, 1)], [MAX_SECONDS / 2, MAX_SECONDS]);
});

test('the clock is the server’s, however wrong the viewer’s is', () => {
  let ticks = 100;
  const clock = new ServerClock(() => ticks);
  assert.equal(clock.now(), undefined);
  // A snapshot is old: it is the best there is, until something newer comes.
  clock.event(1000);
  clock.event(990);
  assert.equal(clock.now(), 1000);
  clock.event(1040);
  ticks += 5;
  assert.equal(clock.now(), 1045);
  // A ping was sent now. Of several, the one with the least delay counts.
  clock.ping(1050);
  ticks += 15;
  clock.ping(1062);
  assert.equal(clock.now(), 1065);
});

test('a clock that was set, or a device that slept, is noticed at the next ping', () => {
  let ticks = 0;
  const clock = new ServerClock(() => ticks);
  clock.ping(5000);
  ticks += 15;
  clock.ping(4000);
  assert.equal(clock.now(), 4000);
  ticks += 1;
  clock.ping(9000);
  assert.equal(clock.now(), 9000);
});

test('what was slept has passed, although the browser’s clock stood still', () => {
  let ticks = 100;
  let wall = 9000;
  const clock = new ServerClock(() => ticks, () => wall);
  const pass = (counted, slept) => {
    ticks += counted;
    wall += counted + slept;
    return clock.now();
  };
  clock.ping(5000);
  assert.equal(pass(1, 0), 5001);
  assert.equal(pass(1, 600), 5602, 'woken up');
  assert.equal(pass(1, 0), 5603, 'counted once');
  assert.equal(pass(1, 4), 5604, 'a clock that is adjusted is no sleep');
  // The wall clock was set, not the device asleep: that makes nothing younger, and the next ping tells.
  assert.equal(pass(1, -3000), 5605);
  assert.equal(pass(1, 3000), 8606, 'rather too old than too young');
  clock.ping(5606);
  assert.equal(clock.now(), 5606);
  // Slept, and the ping is there before the next tick: it has the time already.
  ticks += 1;
  wall += 301;
  clock.ping(5907);
  assert.equal(pass(1, 0), 5908);
});

test('another machine’s clock doesn’t set ours', () => {
  const clock = new ServerClock(() => 0);
  clock.ping(1000);
  clock.event(5000);
  assert.equal(clock.now(), 1000);
});

test('stale is three times the longest recent pause, and never less than 45 s', () => {
  const freshness = new Freshness();
  const read = (...times) => {
    for (const time of times) freshness.reading(time);
    return freshness.limit();
  };
  assert.equal(freshness.limit(), 90, 'a box that nobody watched is read once a minute');
  assert.equal(read(0), 90, 'one reading tells no cadence');
  assert.equal(read(5, 10), 45);
  assert.equal(read(30), 60);
  assert.equal(read(35, 40, 45, 50), 60, 'it shrinks slowly');
  assert.equal(read(100, 150, 200, 211), 150);
  // A burst of "I changed" is no cadence.
  const burst = Array.from({ length: 40 }, (_, index) => 211 + 0.3 * index);
  assert.equal(read(...burst), 150);
  assert.equal(read(300, 390, 400, 500, 579, 590), 300);
  assert.equal(read(...Array.from({ length: 30 }, (_, index) => 600 + 10 * index)), 45, 'three quick minutes');
  // An outage is no cadence, and neither is a pause without a connection or a clock that is set.
  assert.equal(read(5000), 360);
  freshness.interrupted();
  assert.equal(read(9000, 9005, 9010), 45);
  assert.equal(read(9110), 300);
  assert.equal(read(100, 105, 110), 45);
});

test('the store keeps machines apart and tells how old each reading is', () => {
  const store = new Store();
  store.put('system_metrics', { node: 'b', timestamp: 100, cpu: 1 });
  store.put('tak_status', { node: 'b', timestamp: 190 });
  store.put('system_metrics', { node: 'a', timestamp: 200 });
  assert.deepEqual(store.nodes(), ['a', 'b']);
  const view = store.view('b', 200);
  assert.equal(view.topics.system_metrics.age, 100);
  assert.equal(view.topics.system_metrics.stale, true);
  assert.equal(view.topics.tak_status.stale, false);
  assert.equal(view.newest, 190);
  assert.equal(view.stale, false, 'one topic still reports');
  assert.equal(store.view('b', 400).stale, true);
  assert.deepEqual(store.view('c', 200).topics, {});
  assert.equal(store.view('b', undefined).topics.tak_status.age, undefined);
});

test('a problem that came while the page watched began then; an older one is older', () => {
  const sightings = new Sightings();
  const disk = { key: 'disk', topic: 'system_metrics' };
  const tak = { key: 'tak', topic: 'tak_status' };
  const date = (problems, now) => sightings.date(problems, ['system_metrics', 'tak_status'], now);
  assert.deepEqual(date([disk], 100), [{ ...disk, since: 100, exact: false }]);
  const [first, second] = date([disk, tak], 160);
  assert.deepEqual([first.since, first.exact], [100, false]);
  assert.deepEqual([second.since, second.exact], [160, true]);
  date([disk], 170);
  assert.equal(date([disk, tak], 180)[1].since, 180, 'gone and back is new');
  assert.equal(date([{ ...tak, since: 5 }], 190)[0].since, 5, 'what is known is not overruled');
});

test('the line under a figure has a gap where nothing was known', () => {
  const path = { attributes: {}, setAttribute(name, value) { this.attributes[name] = value; } };
  const spark = new Spark(path, { top: 100 });
  spark.add(0, 0);
  assert.equal(path.attributes.d, '');
  spark.add(60, 100);
  assert.equal(path.attributes.d, 'M0.0 39.0L200.0 1.0');
  spark.add(60, 50);
  assert.equal(path.attributes.d, 'M0.0 39.0L200.0 1.0', 'one reading a time');
  spark.add(180, 50);
  assert.match(path.attributes.d, /^M[^M]+M[^M]+$/, 'a long pause');
  spark.add(190, undefined);
  spark.add(200, 50);
  spark.add(210, 50);
  assert.match(path.attributes.d, /^M[^M]+M[^ML]+ [^ML]+M[^M]+L[^M]+$/, 'an unknown value');
  spark.add(2000, 1);
  assert.equal(path.attributes.d, '', 'ten minutes are kept');
  spark.add(2060, 1);
  spark.add(100, 0);
  assert.equal(path.attributes.d, '', 'the clock was set back');
  spark.add(160, 100);
  assert.equal(path.attributes.d, 'M0.0 39.0L200.0 1.0');
});
