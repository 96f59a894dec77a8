// Promise: the first card says what is wrong, worst first, in sentences, and says nothing of what it
// doesn't know.

import assert from 'node:assert/strict';
import test from 'node:test';

import { badgeText } from '../../assets/badge.js';
import { facts } from '../../assets/facts.js';
import { problems } from '../../assets/problems.js';
import { byServer } from '../../assets/tak.js';

const TOPICS = { tak: 'tak_status', host: 'system_metrics', docker: 'docker_status' };

/** The sentences about these readings, each marked with its severity. */
function said(readings, lostSince) {
  const topics = {};
  for (const [name, data] of Object.entries(readings)) {
    topics[TOPICS[name]] = { data, age: data.age ?? 1, stale: data.stale ?? false };
  }
  return problems({ topics }, lostSince).map(({ severity, what, detail }) =>
    [severity === 'bad' ? '!' : '?', what, detail].filter(Boolean).join(' ').replaceAll('\u00a0', ' '),
  );
}

test('nothing known is nothing wrong, and neither is a box without a TAK server', () => {
  assert.deepEqual(said({}), []);
  assert.deepEqual(said({ tak: {}, host: {}, docker: {} }), []);
  const host = { cpu: {}, memory: {}, disks: [{ mount: '/' }], temperatures: [{ label: 'x' }], pressure: {}, power: {}, clock: {} };
  assert.deepEqual(said({ tak: { status: 'not_installed' }, host, docker: { containers: [{ id: 'a' }] } }), []);
});

test('a failing layer of the TAK server is named, with what it said', () => {
  const check = { name: 'cot', target: 'localhost:8089', ok: false, message: 'no reply in 5 s' };
  const fine = { name: 'TLS', ok: true };
  const unknown = { name: 'API', message: 'needs a certificate' };
  assert.deepEqual(said({ tak: { status: 'degraded', checks: [fine, check, unknown] } }), [
    '! TAK server: “CoT ping” fails: localhost:8089: no reply in 5 s',
  ]);
  assert.deepEqual(said({ tak: { status: 'degraded', checks: [{ ...check, server: 'standby' }] } }), [
    '! TAK server: “standby, CoT ping” fails: localhost:8089: no reply in 5 s',
  ]);
  assert.deepEqual(said({ tak: { status: 'degraded', checks: [{ name: 'port', target: 'a:1', ok: false, message: 'a:1 is closed.' }] } }), [
    '! TAK server: “Port” fails: a:1 is closed.',
  ]);
  assert.deepEqual(said({ tak: { status: 'down', message: 'Start it.', checks: [check] } }), ['! The TAK server is down: Start it.']);
  assert.deepEqual(said({ tak: { status: 'degraded', message: 'Odd.' } }), ['! The TAK server is not well: Odd.']);
  assert.deepEqual(said({ tak: { message: 'It gave no answer.' } }), ['? The TAK server’s state is not known: It gave no answer.']);
});

test('certificates warn a month ahead and are a problem in the last week', () => {
  const certificate = (days_left) => said({ tak: { status: 'healthy', certificates: [{ subject: 'CN=t', role: 'server', days_left }] } });
  assert.deepEqual(certificate(31), []);
  assert.deepEqual(certificate(undefined), []);
  assert.deepEqual(certificate(30), ['? The TAK server’s certificate (CN=t) expires in 30 days.']);
  assert.deepEqual(certificate(1), ['! The TAK server’s certificate (CN=t) expires in 1 day.']);
  assert.deepEqual(certificate(0), ['! The TAK server’s certificate (CN=t) expires within a day.']);
  assert.deepEqual(certificate(-1), ['! The TAK server’s certificate (CN=t) expired today.']);
  assert.deepEqual(certificate(-3), ['! The TAK server’s certificate (CN=t) expired 2 days ago.']);
});

test('takpulse’s own certificate is told apart, with its file and what to do', () => {
  const tak = (days_left, rest = {}) => ({ status: 'healthy', certificates: [{ subject: 'box', role: 'takpulse', source: '/c.pem', days_left, ...rest }] });
  const own = (...all) => said({ tak: tak(...all) });
  assert.deepEqual(own(31), []);
  assert.deepEqual(own(5), ['! takpulse’s own certificate (box) expires in 5 days: renew /c.pem, or browsers will warn of this dashboard.']);
  assert.deepEqual(own(0, { subject: undefined, source: undefined }), [
    '! takpulse’s own certificate expires within a day: renew it, or browsers will warn of this dashboard.',
  ]);
  assert.deepEqual(own(-3), ['! takpulse’s own certificate (box) expired 2 days ago: browsers warn of this dashboard until /c.pem is renewed.']);
  // It is no reason for the TAK server to be unwell.
  assert.deepEqual(said({ tak: { ...tak(20), status: 'degraded', message: 'Odd.' } }), [
    '! The TAK server is not well: Odd.',
    '? takpulse’s own certificate (box) expires in 20 days: renew /c.pem, or browsers will warn of this dashboard.',
  ]);
});

test('a certificate that ends is told once, with its days', () => {
  const check = { name: 'certificate', target: 'a:8089', ok: false, message: 'It ends.' };
  const certificate = { subject: 't', role: 'server', source: 'a:8089', days_left: 3 };
  assert.deepEqual(said({ tak: { status: 'degraded', checks: [check], certificates: [certificate] } }), [
    '! The TAK server’s certificate (t) expires in 3 days (on 8089).',
  ]);
  // Wherever else it was seen.
  const elsewhere = { ...certificate, also: ['a:8443', '/opt/takserver.p12'] };
  assert.deepEqual(said({ tak: { status: 'degraded', checks: [check, { ...check, target: 'a:8443' }], certificates: [elsewhere] } }), [
    '! The TAK server’s certificate (t) expires in 3 days (on 8089, 8443 and in takserver.p12).',
  ]);
  // takpulse's own has a check of another name, and may be presented to several servers.
  const own = { name: 'client_certificate', target: '/c.pem', ok: false, message: 'It ends.' };
  const client = { subject: 't', role: 'client', source: '/c.pem', days_left: 3 };
  const both = { checks: [{ ...own, server: 'a' }, { ...own, server: 'b' }], certificates: [client, client] };
  for (const tak of [{ checks: [own], certificates: [client] }, both]) {
    assert.deepEqual(said({ tak: { status: 'degraded', ...tak } }), ['! takpulse’s client certificate (t) expires in 3 days (in c.pem).']);
  }
  const unreadable = { ...own, message: '/c.pem cannot be read.' };
  assert.deepEqual(said({ tak: { status: 'degraded', checks: [unreadable] } }), ['! TAK server: “Client certificate” fails: /c.pem cannot be read.']);
});

test('one certificate in several roles is told as the one that matters most', () => {
  const one = (role, source, more) => ({ subject: 't', issuer: 'ca', not_after: 9, days_left: 3, role, source, ...more });
  const certificates = [one('file', '/f/t.pem'), one('server', 'h:8089', { server: 'edge' }), one('truststore', '/f/trust.jks')];
  const sentence = '! The TAK server’s certificate (t) expires in 3 days (edge: on 8089 and in t.pem and trust.jks).';
  assert.deepEqual(said({ tak: { status: 'healthy', certificates } }), [sentence]);
  assert.deepEqual(said({ tak: { status: 'healthy', certificates: certificates.toReversed() } }).length, 1);
  // A renewed one of the same name is another one.
  const both = [one('server', 'h:8089'), one('server', 'h:8443', { not_after: 10, days_left: 4 })];
  assert.equal(said({ tak: { status: 'healthy', certificates: both } }).length, 2);
});

test('users’ certificates are one warning, however many and however late', () => {
  const file = (subject, days_left) => ({ subject, issuer: 'ca', not_after: days_left, days_left, role: 'file', source: `/f/${subject}.pem` });
  const files = (...certificates) => said({ tak: { status: 'healthy', certificates } });
  assert.deepEqual(files(file('a', 31), file('b', -31)), [], 'one that ended long ago was given up');
  assert.deepEqual(files(file('a', 5)), ['? A user’s certificate ends in 5 days: a.']);
  assert.deepEqual(files(file('a', 0)), ['? A user’s certificate ends within a day: a.']);
  assert.deepEqual(files(file('a', -3)), ['? A user’s certificate expired 2 days ago: a.']);
  assert.deepEqual(files(file('a', 5), file('b', 3), file('c', 30)), ['? 3 users’ certificates end within 30 days: b, a and c.']);
  assert.deepEqual(files(file('a', 5), file('b', -3), file('c', 30), file('d', 4), file('e', 29)), [
    '? 5 users’ certificates end within 30 days: 1 of them has ended; b, d, a and 2 more.',
  ]);
  assert.deepEqual(files(file('a', -1), file('b', -3)), ['? 2 users’ certificates have ended: b and a.']);
  // They are no reason for the server to be unwell, and the server's own stands first.
  const server = { ...file('t', 20), role: 'server', source: 'h:8089' };
  assert.deepEqual(files(file('a', 5), server), ['? The TAK server’s certificate (t) expires in 20 days (on 8089).', '? A user’s certificate ends in 5 days: a.']);
  assert.deepEqual(said({ tak: { status: 'degraded', message: 'Odd.', certificates: [file('a', 5)] } })[0], '! The TAK server is not well: Odd.');
});

test('the layers behind the ports have words of their own', () => {
  const fails = (name, message, server) => said({ tak: { status: 'degraded', checks: [{ name, server, target: 't', ok: false, message }] } });
  assert.deepEqual(fails('database', 'Start t.'), ['! TAK server: “Database” fails: Start t.']);
  assert.deepEqual(fails('broker', 'Start t.'), ['! TAK server: “Message broker” fails: Start t.']);
  assert.deepEqual(fails('log', 'OutOfMemoryError in t.'), ['! The TAK server’s log tells of trouble: OutOfMemoryError in t.']);
  assert.deepEqual(fails('restarts', 't: 3.'), ['! The TAK server does not stay up: t: 3.']);
  assert.deepEqual(fails('canary', 'On t.', 'edge'), ['! edge: a test message did not arrive: On t.']);
  assert.deepEqual(fails('configuration', 't: line 3.', 'edge'), ['! edge: the TAK server’s configuration has a fault: t: line 3.']);
});

test('a layer that fails on many ports is one problem', () => {
  const check = (port) => ({ name: 'tls', target: `h:${port}`, ok: false, message: `h:${port} hangs.` });
  const ports = (...all) => said({ tak: { status: 'degraded', checks: all.map(check) } });
  assert.deepEqual(ports(1, 2), ['! TAK server: “TLS” fails: h:1 hangs.', '! TAK server: “TLS” fails: h:2 hangs.']);
  assert.deepEqual(ports(1, 2, 3), ['! TAK server: “TLS” fails: h:1 hangs. The same layer fails on 2, 3.']);
});

test('where each of several servers is told of, its own word counts', () => {
  const checks = [{ server: 'a', name: 'port', target: 'a:1', ok: true }, { server: 'b', name: 'port', target: 'b:1', ok: true }, { server: 'b', name: 'cot', target: 'b:1', ok: false, message: 'b:1 hangs.' }];
  const servers = [{ name: 'a', status: 'healthy', message: 'Fine.' }, { name: 'b', status: 'down', message: 'It hangs.' }];
  assert.deepEqual(said({ tak: { status: 'down', message: 'b: It hangs.', checks, servers } }), ['! The TAK server “b” is down: It hangs.']);
  const degraded = [servers[0], { ...servers[1], status: 'degraded' }];
  assert.deepEqual(said({ tak: { status: 'degraded', checks, servers: degraded } }), ['! TAK server: “b, CoT ping” fails: b:1 hangs.']);
  assert.deepEqual(said({ tak: { status: 'down', checks: checks.slice(0, 1), servers } }), ['! The TAK server “b” is down: It hangs.'], 'one that could not even be checked');
  const odd = [{ name: 'a', status: 'degraded', message: 'Odd.' }, { name: 'b', message: 'No answer.' }];
  const ending = { subject: 't', role: 'server', server: 'a', source: 'a:1', days_left: 3 };
  assert.deepEqual(said({ tak: { status: 'degraded', servers: odd } }), ['! The TAK server “a” is not well: Odd.', '? The state of the TAK server “b” is not known: No answer.']);
  assert.equal(said({ tak: { status: 'degraded', servers: odd, certificates: [ending] } })[0], '! The TAK server’s certificate (t) expires in 3 days (a: on 1).');
});

test('of several servers, one that is down does not hide what the others lack', () => {
  const check = (server, name, ok, message) => ({ server, name, target: `${server}:1`, ok, message });
  const gone = [
    check('b', 'port', false, 'Nothing listens on b:1.'),
    check('b', 'tls', undefined, 'Not asked.'),
    check('b', 'cot', undefined, 'Not asked.'),
    check('b', 'client_certificate', true, 'It expires in 400 days.'),
  ];
  const ill = [check('a', 'port', true), check('a', 'api', false, 'a:1 hangs.')];
  const down = (message, ...checks) => said({ tak: { status: 'down', message, checks } });
  assert.deepEqual(down('b: Start it.', ...ill, ...gone), ['! TAK server: “a, API” fails: a:1 hangs.', '! The TAK server “b” is down: Start it.']);
  assert.deepEqual(down('c: It hangs.', check('c', 'port', true), check('c', 'cot', false, 'c:1 hangs.'), ...gone), [
    '! TAK server: “c, CoT ping” fails: c:1 hangs.',
    '! The TAK server “b” is down: Nothing listens on b:1.',
  ]);
  assert.deepEqual(down('b: Start it.', check('a', 'port', true), check('b', 'port')), ['! The TAK server is down: b: Start it.']);
  assert.deepEqual(down('Start it.', ...gone), ['! The TAK server is down: Start it.'], 'a single one is told as before');
});

test('the host’s limits', () => {
  const disk = (percent, more) => said({ host: { disks: [{ mount: '/', percent, available_bytes: 2.6e9, ...more }] } });
  assert.deepEqual(disk(79.9), []);
  assert.deepEqual(disk(80), ['? Disk / is 80 % full (2.6 GB left).']);
  assert.deepEqual(disk(91), ['! Disk / is 91 % full (2.6 GB left).']);
  assert.deepEqual(disk(100, { filesystem: 'squashfs' }), [], 'an image is full by nature');
  assert.deepEqual(said({ host: { memory: { percent: 96, available_bytes: 3e8 } } }), ['! Memory is 96 % full (300 MB left).']);
  assert.deepEqual(said({ host: { temperatures: [{ label: 'a', celsius: 50 }, { label: 'b', celsius: 84.4 }] } }), [
    '? It is hot: 84 °C (b). A hot processor slows down.',
  ]);
  assert.deepEqual(said({ host: { cpu: { cores: 4, load_average: [1, 7.9, 1] } } }), []);
  assert.deepEqual(said({ host: { cpu: { cores: 1, load_average: [1, 4, 1] } } }), [
    '! The processor has more to do than it can: load 4.00 over five minutes, on 1 core.',
  ]);
  assert.deepEqual(said({ host: { power: { source: 'battery', battery_percent: 9 } } }), [
    '! The battery is down to 9.0 % and nothing charges it.',
  ]);
  assert.deepEqual(said({ host: { power: { source: 'ac', battery_percent: 9 } } }), []);
  assert.equal(said({ host: { power: { under_voltage: true }, clock: { synchronized: false } } }).length, 2);
  assert.deepEqual(said({ host: { message: 'No /proc.' } }), ['? The host cannot be read completely: No /proc.']);
});

test('an engine that can’t be read says what to do', () => {
  const engine = (status) => said({ docker: { engine: { status, message: 'Do this.' }, containers: [] } });
  assert.deepEqual(engine('ok'), []);
  assert.deepEqual(engine('permission_denied'), ['? takpulse may not read Docker: Do this.']);
  assert.deepEqual(engine('unavailable'), ['? Docker cannot be reached: Do this.']);
});

test('worst first, TAK before host before containers; a lost connection before everything', () => {
  const readings = {
    docker: { containers: [{ id: 'a', name: 'a', state: 'dead' }] },
    host: { disks: [{ mount: '/', percent: 85 }, { mount: '/b', percent: 95 }] },
    tak: { status: 'down' },
  };
  const marks = said(readings, 0).map((sentence) => sentence.slice(0, 15));
  assert.deepEqual(marks, ['! No connection', '! The TAK serve', '! Disk /b is 95', '! Container a i', '? Disk / is 85 ']);
});

test('a source that stopped reporting is told, unless the connection is to blame', () => {
  const host = { age: 200, stale: true, timestamp: 5 };
  assert.match(said({ host })[0], /^\? Host figures have stopped coming in: the last are from \d\d:\d\d:\d\d\.$/);
  const [all] = problems({ topics: { system_metrics: { data: host, stale: true } }, stale: true, newest: 5 }, undefined);
  assert.deepEqual([all.what, all.since], ['No figures come in any more:', 5]);
  assert.equal(said({ host }, 5).length, 1);
});

test('the badge tells live, stale, reconnecting and signed out apart in words', () => {
  const view = { now: 102, newest: 100, stale: false };
  const text = (stream, more) => badgeText({ retryAt: 4200, refusal: '', ...stream }, { ...view, ...more }, 1000).text.replaceAll('\u00a0', ' ');
  assert.equal(text({ state: 'open' }), 'Live, 2 s ago');
  assert.match(text({ state: 'open' }, { stale: true }), /^Stale since \d\d:\d\d:\d\d$/);
  assert.equal(text({ state: 'open' }, { newest: undefined }), 'Connected, waiting');
  assert.equal(text({ state: 'waiting' }), 'Reconnecting in 4 s');
  assert.equal(text({ state: 'connecting' }), 'Reconnecting…');
  assert.equal(text({ state: 'connecting' }, { newest: undefined }), 'Connecting…');
  assert.equal(text({ state: 'signed-out' }), 'Signed out');
});

test('checks are kept by server, in their order', () => {
  const names = byServer([{ server: 'b', name: 1 }, { name: 2 }, { server: 'b', name: 3 }]).map(({ server, checks }) => [server, checks.length]);
  assert.deepEqual(names, [['b', 2], ['', 1]]);
});

test('facts that a machine can’t have are left out; those it doesn’t tell are dashes', () => {
  assert.deepEqual(facts({}).map(({ name, value }) => [name, value]), [['Load', undefined], ['Clock', undefined]]);
  const all = facts({ memory: { swap_total_bytes: 0 }, power: { source: 'battery', battery_percent: 12 }, clock: { synchronized: false }, pressure: {} });
  assert.deepEqual(all.map(({ name, value, kind }) => [name, value?.replaceAll('\u00a0', ' '), kind]), [
    ['Load', undefined, undefined],
    ['Waiting', undefined, undefined],
    ['Power', 'battery, 12 % charged', 'warning'],
    ['Clock', 'not synchronized', 'warning'],
  ]);
});
