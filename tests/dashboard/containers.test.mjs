// Promise: two hundred containers can be looked through: by project, in any order, by any word; what needs
// attention stands out in words, and what is not known is a dash with its reason, never a 0.

import assert from 'node:assert/strict';
import test from 'node:test';

import { counts, found, grouped, sorted, stateOf, summarise } from '../../assets/container-list.js';
import { figuresOf, hintsOf } from '../../assets/container-figures.js';
import { factsOf, probesOf } from '../../assets/container-facts.js';
import { exitPhrase, exitWords } from '../../assets/exit-codes.js';
import { containerProblems, noteOf } from '../../assets/container-problems.js';
import { headingAt, showGroups } from '../../assets/container-groups.js';
import { Trails } from '../../assets/container-trails.js';
import { Trail } from '../../assets/trail.js';
import { remember, remembered } from '../../assets/remembered.js';
import { document, lines } from './document.mjs';

const runs = (name, more) => ({ id: name, name, state: 'running', running: true, ...more });
const stopped = (name, exit_code, more) => ({ id: name, name, state: 'exited', running: false, exit_code, ...more });
const ids = (containers) => containers.map(({ id }) => id).join('');
const plain = (text) => text?.replaceAll('\u00a0', ' ');

const said = (...containers) =>
  containerProblems({ containers }).map(({ severity, what, detail }) => [severity === 'bad' ? '!' : '?', what, detail].filter(Boolean).join(' '));

test('a restart loop is told with how often, and with what it ended last', () => {
  const loop = { state: 'restarting', running: false, restart_count: 17, restarts_recent: 9, restart_loop: true, exit_code: 1 };
  assert.deepEqual(said({ ...runs('a'), ...loop }), ['! Container a keeps restarting. Restarted 9 times in the last 10 minutes. Last ended with exit code 1.']);
  // Between two restarts it runs, and is in its loop nevertheless.
  assert.deepEqual(said(runs('a', { restart_loop: true, restarts_recent: 4 })), ['! Container a keeps restarting. Restarted 4 times in the last 10 minutes.']);
  assert.deepEqual(said(runs('a', { restarts_recent: 2, restart_count: 9 })), [], 'a few are no loop');
  assert.deepEqual(noteOf(runs('a', { restarts_recent: 1 })), { kind: 'warning', text: 'Restarted 1 time in the last 10 minutes.' });
  assert.equal(noteOf(runs('a', { restart_count: 9 })), undefined, 'long ago');
  assert.deepEqual(said({ ...runs('a'), state: 'restarting', restart_count: 4, exit_code: 137, oom_killed: true }), ['! Container a keeps restarting. Restarted 4 times. Its memory ran out.']);
});

test('unhealthy is told with what the probe said', () => {
  assert.deepEqual(said(runs('a', { health: 'unhealthy' })), ['! Container a is unhealthy. Its own health check fails.']);
  assert.deepEqual(said(runs('a', { health: 'unhealthy', health_output: 'no route' })), ['! Container a is unhealthy. Its own health check fails: “no route”']);
  assert.deepEqual(said(...['a', 'b', 'c', 'd', 'e'].map((name) => runs(name, { health: 'unhealthy' }))), ['! 5 containers are unhealthy: a, b, c and 2 more.']);
});

test('an end is told in words, with since when', () => {
  const ago = (code, more) => said(stopped('a', code, { status: `Exited (${code}) 3 minutes ago`, ...more }));
  assert.deepEqual(ago(0), []);
  assert.deepEqual(ago(143), [], 'an orderly stop');
  assert.deepEqual(ago(137), [], 'killed by who stopped it, as far as is known');
  assert.deepEqual(ago(1), ['? Container a has stopped with an error. Exit code 1, 3 minutes ago.']);
  assert.deepEqual(ago(139), ['? Container a has stopped with an error. Exit code 139: crashed, 3 minutes ago.']);
  assert.deepEqual(ago(137, { oom_killed: true }), ['? Container a was killed when its memory ran out. Exit code 137: killed, 3 minutes ago.']);
  const [problem] = containerProblems({ containers: [stopped('a', 1, { status: 'Exited (1) 3 minutes ago', finished_at: 500 })] });
  assert.deepEqual([problem.detail, problem.since], ['Exit code 1.', 500], 'the page counts by itself');
  assert.deepEqual(said(runs('a', { oom_killed: true })), ['? Container a runs short of memory. The kernel has killed a process in it, as its memory ran out.']);
});

test('exit codes in words', () => {
  const words = { 125: 'Docker could not start it', 127: 'its command was not found', 137: 'killed', 139: 'crashed', 143: 'asked to end', 131: 'ended by signal 3', 192: 'ended by signal 64' };
  for (const [code, word] of Object.entries(words)) assert.equal(exitWords(Number(code)), word);
  for (const code of [0, 1, 2, 124, 128, 193, 255, undefined]) assert.equal(exitWords(code), undefined, code);
  assert.deepEqual([exitPhrase(137), exitPhrase(3), exitPhrase(undefined)], ['exit code 137: killed', 'exit code 3', undefined]);
});

test('each state has a word of its own, and a mark', () => {
  const word = (container) => Object.values(stateOf(container)).join(' ');
  const cases = [
    [{ state: 'running' }, 'ok running'],
    [{ state: 'running', health: 'starting' }, 'idle starting'],
    [{ state: 'running', health: 'unhealthy' }, 'bad unhealthy'],
    [{ state: 'running', restart_loop: true }, 'bad restarting'],
    [{ state: 'running', oom_killed: true }, 'ok running'],
    [{ state: 'paused' }, 'warning paused'],
    [{ state: 'exited', exit_code: 0 }, 'idle stopped'],
    [{ state: 'exited', exit_code: 2 }, 'warning failed'],
    [{ state: 'exited', exit_code: 137 }, 'idle killed'],
    [{ state: 'exited', exit_code: 137, oom_killed: true }, 'warning out of memory'],
    [{ state: 'dead' }, 'bad dead'],
    [{}, 'unknown not known'],
  ];
  for (const [container, wanted] of cases) assert.equal(word(container), wanted);
  assert.deepEqual(summarise([runs('a'), runs('b'), { state: 'dead' }]), [{ kind: 'bad', word: '1 dead' }, { kind: 'ok', word: '2 running' }]);
});

test('groups: projects by name, those without one last; what needs attention leads where that is asked for', () => {
  const list = [runs('1'), runs('2', { project: 'b' }), runs('3', { project: 'a' }), runs('4', { project: 'b', health: 'unhealthy' }), runs('5', { project: 'c', restarts_recent: 1 })];
  const order = (column) => grouped(list, { column }).map(({ name, containers }) => `${name}:${ids(containers)}`).join(' ');
  assert.equal(order('name'), 'a:3 b:24 c:5 :1');
  assert.equal(order('attention'), 'b:24 c:5 a:3 :1');
  assert.deepEqual(grouped([]), []);
});

test('sorting: needing attention first, the busiest first, and what is not known last either way', () => {
  const list = [
    runs('a10', { cpu_percent: 5, memory_bytes: 9, network_rx_bytes_per_s: 1, network_tx_bytes_per_s: 1, started_at: 100 }),
    runs('a9', { cpu_percent: 50, memory_bytes: 1, network_rx_bytes_per_s: 9, network_tx_bytes_per_s: 0, started_at: 900 }),
    stopped('b', 1, { started_at: 950 }),
    runs('c', { health: 'unhealthy', network_rx_bytes_per_s: 99 }),
  ];
  const order = (column, down = false) => sorted(list, { column, down }).map(({ id }) => id).join(' ');
  assert.equal(order('attention'), 'c b a9 a10');
  assert.equal(order('name'), 'a9 a10 b c');
  assert.equal(order('name', true), 'c b a10 a9');
  assert.equal(order('cpu', true), 'a9 a10 b c');
  assert.equal(order('cpu'), 'a10 a9 b c');
  assert.equal(order('memory', true), 'a10 a9 b c');
  assert.equal(order('network', true), 'a9 a10 b c', 'both ways together, and one alone is no sum');
  assert.equal(order('up'), 'a9 a10 b c', 'what has just started; what does not run is not up');
  assert.equal(order('nonsense'), order('attention'));
});

test('a filter looks into name, image, project and service; picks are counted', () => {
  const list = [runs('web', { image: 'nginx:1', project: 'Shop', service: 'front' }), stopped('db', 1, { image: 'postgres', project: 'shop' }), runs('x', { restarts_recent: 3 })];
  const hits = (text, pick = 'all') => ids(found(list, pick, text));
  assert.deepEqual(['', 'NGINX', 'shop', 'shop post', 'front', 'nobody'].map((text) => hits(text)), ['webdbx', 'web', 'webdb', 'db', 'web', '']);
  assert.deepEqual(['running', 'stopped', 'attention', 'made up'].map((pick) => hits('', pick)), ['webx', 'db', 'dbx', 'webdbx']);
  assert.equal(hits('shop', 'running'), 'web');
  assert.deepEqual(counts(list), { all: 3, running: 2, stopped: 1, attention: 2 });
});

test('a figure that is not known is a dash with the machine’s own reason', () => {
  const missing = [{ figure: 'memory', message: 'Add cgroup_enable=memory.' }];
  const { cpu, memory, up } = figuresOf(runs('a', { cpu_percent: 12, started_at: 40 }), missing, 100);
  assert.deepEqual([plain(cpu.text), memory.text, memory.why, plain(up.text)], ['12 %', undefined, 'Add cgroup_enable=memory.', '1 min']);
  assert.equal(figuresOf(stopped('a', 0), missing, 100).memory.why, 'It is not running.');
  assert.equal(figuresOf(runs('a'), undefined, 100).cpu.text, undefined);
  assert.match(figuresOf(runs('a'), undefined, 100).cpu.why, /two readings/);
  assert.deepEqual(hintsOf(missing).map(({ name, message }) => `${name} ${message}`), ['Memory cannot be told here: Add cgroup_enable=memory.']);
  assert.deepEqual(hintsOf(undefined), []);
});

test('facts: what is there, and no more', () => {
  const told = (one, details) => Object.fromEntries(factsOf(one, details, [], 1000).map(({ name, value }) => [name, plain(value)]));
  assert.deepEqual(told(undefined, undefined), {});
  const old = told(stopped('a', 139, { finished_at: 880, image: 'i', restart_count: 2 }), undefined);
  assert.deepEqual([old.Ended, old['Exit code'], old.Restarted, old.Image, old.CPU], ['2 min ago', '139: crashed', '2 times', 'i', undefined]);
  const mounts = [{ kind: 'bind', source: '/opt', destination: '/data', read_only: true }, { kind: 'tmpfs', destination: '/tmp', read_only: false }];
  const details = { id: 'f'.repeat(64), networks: [{ name: 'n', address: '10.0.0.2' }, { name: 'm' }], mounts, mounts_total: 9, image_digest: 'sha256:a' };
  const full = told(runs('a', { memory_bytes: 5e6, memory_limit_bytes: 1e9, ports: ['80/tcp', '81/tcp'], project: 'p', service: 's' }), details);
  assert.equal(full.Mounts, '/data ← bind /opt, read only\n/tmp ← tmpfs\nand 7 more');
  assert.deepEqual([full.Networks, full.Ports, full.Project, full.Memory], ['n 10.0.0.2\nm', '80/tcp\n81/tcp', 'p, service s', '5.0 MB of 1.0 GB']);
  assert.deepEqual([full.Id, full['Image digest']], ['f'.repeat(64), 'sha256:a']);
});

test('probes: the newest first, each with its outcome in a word', () => {
  const told = probesOf({ health_log: [{ at: 1, exit_code: 0, output: 'ok' }, { at: 2, exit_code: 1, output: '' }] });
  assert.deepEqual(told.map(({ kind, name, message }) => `${kind} ${name.slice(10)} ${message}`), ['bad failed with 1 It said nothing.', 'ok passed ok']);
  assert.deepEqual(probesOf({ health_log: [{ output: 'x' }] }).map(({ kind, name }) => `${kind} ${name}`), ['unknown outcome not known']);
  assert.deepEqual(probesOf(undefined), []);
});

test('a trail: a gap where nothing is known, bounded, and gone with its container', () => {
  const trail = new Trail({ seconds: 100, apart: 2 });
  assert.equal(trail.line, '');
  for (const [time, value] of [[0, 1], [1, 9], [10, 2], [20, undefined], [30, 3], [40, 3]]) trail.add(time, value);
  assert.equal(trail.length, 5, 'two within two seconds are one');
  assert.equal(trail.line.match(/M/g).length, 2, 'what is not known is no line, and no 0');
  for (let time = 50; time < 1000; time += 5) trail.add(time, 1);
  assert.ok(trail.length <= 21, `${trail.length}`);
  trail.add(5, 1);
  assert.equal(trail.length, 1, 'the clock was set');

  const trails = new Trails();
  const note = (timestamp, ...containers) => trails.note({ timestamp, containers });
  note(0, runs('a', { cpu_percent: 1 }), runs('b', { cpu_percent: 1 }));
  note(5, runs('a', { cpu_percent: 2 }));
  note(10, runs('a', { cpu_percent: 2 }), runs('b', { cpu_percent: 1 }));
  assert.match(trails.of('a').cpu, /^M.*L.*L/);
  assert.deepEqual([trails.of('a').memory, trails.of('b').cpu, trails.of('x').cpu], ['', '', ''], 'b is a new one');
  trails.note({ timestamp: 15 });
  assert.notEqual(trails.of('a').cpu, '', 'an engine that is away for a moment takes nothing away');
});

test('what somebody likes is remembered, whatever else is in the storage', () => {
  const kept = new Map();
  const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  globalThis.localStorage = storage;
  const without = { column: 'name', down: false, folded: [] };
  assert.deepEqual(remembered('x', without), without);
  remember('x', { column: 'cpu', down: true, folded: ['a'] });
  assert.deepEqual(remembered('x', without), { column: 'cpu', down: true, folded: ['a'] });
  for (const odd of ['null', '{', '[]', '{"column":7,"down":"yes","folded":{},"more":1}']) {
    kept.set('takpulse-x', odd);
    assert.deepEqual(remembered('x', without), without, odd);
  }
  globalThis.localStorage = { getItem: () => assert.fail(), setItem: () => assert.fail() };
  remember('x', without);
  assert.deepEqual(remembered('x', without), without, 'forbidden');
  delete globalThis.localStorage;
});

test('rows are written to in place, a fold takes them away, and what is being done is said on them', () => {
  const table = document()('containers').querySelectorAll('table')[0];
  const folded = new Set();
  const operations = new Map();
  const show = (...containers) =>
    showGroups(table, grouped(containers), {
      headed: true,
      folded: (name) => folded.has(name),
      tell: ({ id }) => ({ missing: [], now: 100, operation: operations.get(id), lines: { cpu: '', memory: '' } }),
    });
  const [a, b] = [runs('a', { project: 'p', cpu_percent: 3, image: 'registry.example.org:5000/group/web:1' }), stopped('b', 1)];
  show(a, b);
  const [, p, none] = table.children;
  assert.deepEqual(lines(p), ['p 1 running', 'a running group/web:1 3.0 % – – –']);
  assert.deepEqual(lines(none), ['without a project 1 failed', 'b Exit code 1. failed – – – – –']);
  const row = p.children[1];
  operations.set('a', { state: 'in_progress', doing: 'stopping…' });
  show({ ...a, cpu_percent: 4 }, b);
  assert.equal(p.children[1], row);
  assert.equal(lines(p)[1], 'a stopping… group/web:1 4.0 % – – –');
  operations.set('a', { state: 'error', kind: 'warning', text: 'Stop of a failed.' });
  show(a, b);
  assert.equal(lines(p)[1], 'a Stop of a failed. running group/web:1 3.0 % – – –');
  assert.equal(headingAt(row.children[0]), undefined);
  folded.add(headingAt(p.querySelectorAll('strong')[0]));
  show(a, b);
  assert.deepEqual([lines(p), p.querySelectorAll('button')[0].getAttribute('aria-expanded')], [['p 1 running'], 'false']);
});
