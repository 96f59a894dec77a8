// Promise: who is on is told with how far it can be believed: a number that nobody knows is a dash with
// its reason, never a 0; and five hundred users can be sorted and found.

import assert from 'node:assert/strict';
import test from 'node:test';

import { fields } from '../../assets/dom.js';
import { emptiness, footnotes, headline, keyOf, matching, sorted, turned, whyUnknown } from '../../assets/user-list.js';
import { UsersPanel } from '../../assets/users.js';
import { document, lines } from './document.mjs';

const source = (name, believed, count, message) => ({ name, believed, count, message });
const SOCKETS = source('established sockets', true, 3, 'Counted.');
const LIAR = source('/Marti/api/clientEndPoints', false, 1, 'It never forgets.');
const SILENT = source('/api/status', true, undefined, 'It wants a login.');

test('the heading tells users and connections apart, and nothing that is not known', () => {
  const said = (clients) => [headline(clients).on, headline(clients).about];
  assert.deepEqual(said({ distinct: 2, connections: 3 }), ['2 on', '2 users, 3 connections']);
  assert.deepEqual(said({ distinct: 1, connections: 1 }), ['1 on', '1 user, 1 connection']);
  assert.deepEqual(said({ distinct: 0, connections: 0 }), ['0 on', '0 users, 0 connections']);
  assert.deepEqual(said({ distinct: 2 }), ['2 on', '2 users']);
  assert.deepEqual(said({ connections: 0 }), [undefined, '0 connections']);
  // Whoever is listed was not counted.
  assert.deepEqual(said({ list: [{}], sources: [] }), [undefined, '']);
  assert.deepEqual(said(undefined), [undefined, '']);
  assert.equal(headline({ distinct: 0, connections: 0 }).why, undefined);
  assert.equal(headline({ connections: 3, sources: [SILENT] }).why, '/api/status: It wants a login.');
});

test('why it is not known: the report’s sentence, then whoever gave no answer or is not believed', () => {
  assert.equal(whyUnknown(undefined), 'Nobody could be asked who is on.');
  assert.equal(whyUnknown({ sources: [] }), 'This server does not tell who is on.');
  const clients = { message: 'Give it a login.', sources: [SOCKETS, LIAR, { ...SILENT, server: 'edge' }] };
  assert.equal(whyUnknown(clients), 'Give it a login.\n/Marti/api/clientEndPoints: It never forgets.\nedge, /api/status: It wants a login.');
});

test('nobody on, and not known who, are two things', () => {
  assert.equal(emptiness({ distinct: 0, list: [] }), 'Nobody is on.');
  assert.equal(emptiness({ distinct: 0, connections: 2, list: [] }), 'Who is on is not known.');
  assert.equal(emptiness({ distinct: 2, list: [] }), 'Who is on is not known.');
  assert.equal(emptiness({ list: [] }), 'The server names nobody; how many are on is not known.');
  assert.equal(emptiness({}), 'Who is on is not known.');
  assert.equal(emptiness(undefined), 'Who is on is not known.');
  assert.equal(emptiness({ list: [{}] }), undefined);
});

test('below stands who was asked, the ones that are not believed first', () => {
  const notes = footnotes({ distinct: 9, list: [{}], sources: [SOCKETS, SILENT, LIAR, { ...LIAR, count: undefined }] });
  assert.deepEqual(notes.map(({ kind, name, message }) => [kind, name, message].join(' ')), [
    'idle 1 of 9 users are listed. ',
    'warning Not believed: /Marti/api/clientEndPoints (says 1): It never forgets.',
    'warning Not believed: /Marti/api/clientEndPoints (gives no number): It never forgets.',
    'unknown No answer: /api/status: It wants a login.',
    'ok Told by: established sockets (3)',
  ]);
  assert.deepEqual(footnotes(undefined), []);
});

test('sorting is natural, stable, and leaves what is not known at the end', () => {
  const users = [
    { uid: '1', callsign: 'R-10', last_report: 5, address: '10.0.0.10' },
    { uid: '2', callsign: 'r-9', last_report: 9, address: '10.0.0.9' },
    { uid: '3', username: 'anna', team: 'Red', last_report: 9 },
    { uid: '4', callsign: 'R-10', team: 'Cyan' },
  ];
  const order = (column, down = false) => sorted(users, { column, down }).map(({ uid }) => uid).join('');
  assert.equal(order('callsign'), '3214');
  assert.equal(order('callsign', true), '1423');
  assert.equal(order('last_report', true), '3214');
  assert.equal(order('last_report'), '1324');
  assert.equal(order('team'), '4321');
  assert.equal(order('team', true), '3421');
  assert.equal(order('address'), '2134');
  const shuffled = [...users].reverse();
  assert.equal(sorted(shuffled, { column: 'role' }).map(({ uid }) => uid).join(''), order('role'), 'whatever order the report has');
});

test('a click sorts, a second one turns it round; times begin with the newest', () => {
  const first = turned({ column: 'callsign', down: false }, 'last_report');
  assert.deepEqual(first, { column: 'last_report', down: true });
  assert.deepEqual(turned(first, 'last_report'), { column: 'last_report', down: false });
  assert.deepEqual(turned(first, 'team'), { column: 'team', down: false });
});

test('a user is found by any of its words', () => {
  const users = [{ callsign: 'LEAD', team: 'Dark Blue', address: '10.8.0.4' }, { username: 'anna', uid: 'ANDROID-7' }];
  const found = (text) => matching(users, text).length;
  assert.deepEqual([found(''), found(' '), found('lead blue'), found('8.0.4'), found('android-7'), found('lead anna'), found('x')], [2, 2, 1, 1, 1, 0, 0]);
});

test('a user keeps its row: by server and uid, else by what it is called', () => {
  assert.equal(keyOf({ server: 'a', uid: '1', callsign: 'x' }), keyOf({ server: 'a', uid: '1', callsign: 'y' }));
  assert.notEqual(keyOf({ server: 'a', uid: '1' }), keyOf({ server: 'b', uid: '1' }));
  assert.notEqual(keyOf({ callsign: 'x' }), keyOf({ callsign: 'y' }));
  assert.equal(keyOf({ address: 'x' }), keyOf({ address: 'x' }));
});

function card() {
  const byId = document();
  const section = byId('users');
  const panel = new UsersPanel(section, new AbortController().signal);
  const head = (column) => section.querySelectorAll('[data-sort]').find((button) => button.dataset.sort === column);
  return { section, panel, parts: fields(section), head };
}

const many = (number) => Array.from({ length: number }, (_, i) => ({ uid: `u${i}`, callsign: `R-${i}`, team: i % 2 ? 'Red' : 'Cyan', last_report: 1000 - i }));
const on = (list, more) => ({ distinct: list.length, connections: list.length, list, sources: [], ...more });

test('a row tells callsign, team in words, and how long ago the last report was', () => {
  const { panel, parts } = card();
  const full = { uid: 'u', callsign: 'LEAD', team: 'Dark Blue', role: 'HQ', software: 'ATAK', address: '10.0.0.1', battery_percent: 62, since: 100, last_report: 820, connections: 3 };
  panel.show(on([full, { uid: 'v' }]), false, 1000);
  assert.deepEqual(lines(parts.rows), ['LEAD 3 connections Dark Blue HQ ATAK 10.0.0.1 62 % 15 min 3 min ago', 'v – – – – – – –']);
  const [row, bare] = parts.rows.children.map(fields);
  assert.equal(row.team.getAttribute('data-team'), 'dark blue');
  assert.equal(bare.team.hasAttribute('data-team'), false);
  assert.equal(bare.report.getAttribute('title'), 'When it last reported is not known.');
  assert.match(row.callsign.getAttribute('title'), /^LEAD\nuid: u\nteam: Dark Blue\nrole: HQ\nsoftware: ATAK\naddress: 10.0.0.1$/);
  panel.tick(1060);
  assert.equal(row.report.visible, '4 min ago');
  // A clock that is behind makes no future.
  panel.tick(0);
  assert.equal(row.report.visible, '0 s ago');
  panel.tick(undefined);
  assert.equal(row.report.visible, '–');
});

test('the server is named when several are watched', () => {
  const { panel, parts } = card();
  panel.show(on([{ uid: 'u', callsign: 'LEAD', server: 'edge' }]), true, 1);
  assert.deepEqual([parts.serverHead.hidden, lines(parts.rows)[0].includes('edge')], [false, true]);
  panel.show(on([{ uid: 'u', callsign: 'LEAD', server: 'edge' }]), false, 1);
  assert.deepEqual([parts.serverHead.hidden, lines(parts.rows)[0].includes('edge')], [true, false]);
});

test('what is not known is a dash with its reason, in view', () => {
  const { panel, parts } = card();
  panel.show({ connections: 5, sources: [LIAR], message: 'Only connections can be counted.' }, false, 1);
  assert.deepEqual([parts.on.visible, parts.about.visible, parts.notice.visible], ['–', '5 connections', 'Only connections can be counted.']);
  assert.match(parts.on.getAttribute('title'), /never forgets/);
  assert.deepEqual([parts.table.hidden, parts.find.hidden, parts.empty.visible], [true, true, 'Who is on is not known.']);
  assert.deepEqual(lines(parts.notes), ['Not believed: /Marti/api/clientEndPoints (says 1): It never forgets.']);
  panel.show(undefined, false, 1);
  assert.deepEqual([parts.on.visible, parts.notice.visible], ['–', 'Nobody could be asked who is on.']);
  panel.show(on([]), false, 1);
  assert.deepEqual([parts.on.visible, parts.notice.hidden, parts.empty.visible], ['0 on', true, 'Nobody is on.']);
});

test('the table is sorted by its heads, says so, and stays sorted when new readings come', () => {
  const { panel, parts, head } = card();
  const list = many(3);
  panel.show(on(list), false, 1000);
  const names = () => parts.rows.children.map((row) => fields(row).callsign.textContent).join(' ');
  const sortOf = (column) => head(column).parentElement.getAttribute('aria-sort');
  assert.deepEqual([names(), sortOf('callsign'), sortOf('last_report')], ['R-0 R-1 R-2', 'ascending', null]);
  head('last_report').click();
  head('last_report').click();
  assert.deepEqual([names(), sortOf('callsign'), sortOf('last_report')], ['R-2 R-1 R-0', null, 'ascending']);
  const rows = [...parts.rows.children];
  panel.show(on(list.map((user) => ({ ...user, last_report: user.last_report + 100 }))), false, 1100);
  assert.equal(names(), 'R-2 R-1 R-0');
  assert.deepEqual(parts.rows.children.map((row) => rows.indexOf(row)), [0, 1, 2], 'written to in place');
  for (const column of ['server', 'team', 'role', 'software', 'address', 'battery_percent', 'since']) assert.ok(head(column), column);
});

test('few rows at first, all on a click; a filter when there are more than ten', () => {
  const { panel, parts } = card();
  panel.show(on(many(10)), false, 1000);
  assert.deepEqual([parts.find.hidden, parts.more.hidden], [true, true]);
  panel.show(on(many(500), { distinct: 612 }), false, 1000);
  assert.deepEqual([parts.find.hidden, parts.rows.children.length, parts.more.visible, parts.more.getAttribute('aria-expanded')], [false, 20, 'Show all 500', 'false']);
  parts.more.click();
  assert.deepEqual([parts.rows.children.length, parts.more.visible, parts.more.getAttribute('aria-expanded')], [500, 'Show fewer', 'true']);
  const type = (text) => {
    parts.filter.value = text;
    parts.filter.dispatchEvent(new Event('input'));
  };
  type('r-499');
  assert.deepEqual([parts.rows.children.length, parts.found.visible, parts.more.hidden], [1, '1 of 500 users', true]);
  type('nobody');
  assert.deepEqual([parts.table.hidden, parts.empty.visible], [true, 'Nobody here matches this.']);
  // Kept while the list is short: what is typed must be seen.
  panel.show(on(many(2)), false, 1000);
  assert.equal(parts.find.hidden, false);
  panel.clear();
  panel.show(on(many(2)), false, 1000);
  assert.deepEqual([parts.find.hidden, parts.rows.children.length, parts.found.visible], [true, 2, '']);
});
