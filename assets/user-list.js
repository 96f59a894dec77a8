// Who is on, put into words and in order.
//
// Pure. A number that nobody knows is never shown as one: the sentence says why it is not known.

import { count, listed } from './format.js';
import { matching as matchingIn, ordered, turned as turnedBy } from './order.js';

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

/** The order after a click on a column's head. */
export const turned = (order, column) => turnedBy(order, column, COLUMNS);

/** The users in this order. */
export function sorted(users, { column, down }) {
  const of = COLUMNS[column]?.of ?? ((user) => user[column]);
  return ordered(users, { of, down, nameOf, keyOf });
}

/** The users in whom all these words are found. */
export function matching(users, text) {
  const textsOf = ({ callsign, username, uid, team, role, software, address, server }) => [callsign, username, uid, team, role, software, address, server];
  return matchingIn(users, text, textsOf);
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
