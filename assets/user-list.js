// Who is on, put into words and in order.
//
// Pure. A number that nobody knows is never shown as one: the sentence says why it is not known.

import { count, listed } from './format.js';

/** How the columns compare, and which way round they are sorted first: the newest report on top. */
const COLUMNS = {
  callsign: { of: nameOf },
  server: {},
  team: {},
  role: {},
  software: {},
  address: {},
  battery_percent: {},
  since: { down: true },
  last_report: { down: true },
};

/** What a user is called: the callsign, else whatever tells him apart. */
export function nameOf({ callsign, username, uid }) {
  return callsign || username || uid || undefined;
}

/** The same user in two readings. */
export function keyOf(user) {
  return `${user.server ?? ''} ${user.uid ?? nameOf(user) ?? user.address}`;
}

/** The order after a click on a column's head: another way round when it was that one already. */
export function turned(order, column) {
  const same = order.column === column;
  return { column, down: same ? !order.down : COLUMNS[column]?.down === true };
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

function compare(a, b) {
  return typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(a, b);
}

/**
 * The users in this order. What is not known comes last either way; equals are ordered by name, and so
 * stay where they are when new readings come.
 */
export function sorted(users, { column, down }) {
  const of = COLUMNS[column]?.of ?? ((user) => user[column]);
  const absent = (value) => value === undefined || value === null || value === '';
  const keyed = users.map((user) => ({ user, value: of(user), name: nameOf(user) ?? '', key: keyOf(user) }));
  keyed.sort((a, b) => {
    if (absent(a.value) !== absent(b.value)) return absent(a.value) ? 1 : -1;
    const by = absent(a.value) ? 0 : compare(a.value, b.value);
    return (down ? -by : by) || collator.compare(a.name, b.name) || compare(a.key, b.key);
  });
  return keyed.map(({ user }) => user);
}

/** The users in whom all these words are found. */
export function matching(users, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return users;
  return users.filter((user) => {
    const { callsign, username, uid, team, role, software, address, server } = user;
    const all = [callsign, username, uid, team, role, software, address, server].filter(Boolean).join('\n').toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/**
 * The heading: `{on, about, why}`: `"2 on"`, `"2 users, 3 connections"`, and why what is missing is. `on` is
 * absent when the number of users is not known.
 */
export function headline(clients) {
  const { distinct, connections } = clients ?? {};
  const parts = [
    Number.isFinite(distinct) ? count(distinct, 'user') : undefined,
    Number.isFinite(connections) ? count(connections, 'connection') : undefined,
  ];
  const missing = parts.some((part) => part === undefined);
  return {
    on: Number.isFinite(distinct) ? `${distinct} on` : undefined,
    about: parts.filter(Boolean).join(', '),
    why: missing ? whyUnknown(clients) : undefined,
  };
}

/** Why nothing, or not everything, is known of who is on. */
export function whyUnknown(clients) {
  if (!clients) return 'Nobody could be asked who is on.';
  const silent = (clients.sources ?? []).filter((source) => !source.believed || source.count === undefined);
  const said = silent.map(({ server, name, message }) => `${[server, name].filter(Boolean).join(', ')}: ${message}`);
  return [clients.message, ...said].filter(Boolean).join('\n') || 'This server does not tell who is on.';
}

/** What stands in place of a table: nobody is on, or it is not known who is. */
export function emptiness(clients) {
  const { list, distinct, connections } = clients ?? {};
  if (list?.length > 0) return undefined;
  if (distinct === 0 && !(connections > 0)) return 'Nobody is on.';
  if (list && distinct === undefined && connections === undefined) return 'The server names nobody; how many are on is not known.';
  return 'Who is on is not known.';
}

/** Under the table: how much of the truth it is. `[{key, kind, name, message}]` */
export function footnotes(clients) {
  const { sources = [], list, distinct } = clients ?? {};
  const named = (source) => [source.server, source.name].filter(Boolean).join(', ');
  const says = ({ count: number }) => (number === undefined ? 'gives no number' : `says ${number}`);
  const lying = sources.filter(({ believed }) => !believed);
  const [silent, good] = [true, false].map((absent) =>
    sources.filter(({ believed, count: number }) => believed && (number === undefined) === absent),
  );
  const told = good.map((source) => `${named(source)} (${source.count})`);
  const notes = [
    list?.length > 0 && distinct > list.length && { kind: 'idle', name: `${list.length} of ${distinct} users are listed.` },
    ...lying.map((source) => ({ kind: 'warning', name: `Not believed: ${named(source)} (${says(source)}):`, message: source.message })),
    ...silent.map((source) => ({ kind: 'unknown', name: `No answer: ${named(source)}:`, message: source.message })),
    told.length > 0 && { kind: 'ok', name: 'Told by:', message: listed(told) },
  ];
  return notes.filter(Boolean).map((note) => ({ key: note.name, ...note }));
}
