// What a TAK server tells of its inside, as figures with names.
//
// Pure. What a server does not tell is left out: another one would never tell it either.

import { bytes, percent, rate, span, whole } from './format.js';

const known = Number.isFinite;

/** `{facts: [{name, value, kind?, title?}], bars: [{name, value, share, kind}], inputs, links}`. */
export function figures(inside) {
  const { queues = [], inputs = [], federations = [] } = inside;
  const heaps = [
    heap('API heap', inside.api_heap_used_bytes, inside.api_heap_max_bytes),
    heap('Messaging heap', inside.messaging_heap_used_bytes, inside.messaging_heap_max_bytes),
  ];
  const measured = [...heaps, ...queues.map(queue)].filter(Boolean);
  const facts = [
    { name: 'Uptime', value: span(inside.uptime_seconds) },
    processor(inside),
    { name: 'From clients', value: rate(inside.rx_bytes_per_s) },
    { name: 'To clients', value: rate(inside.tx_bytes_per_s) },
    ...(inside.database ? database(inside.database) : []),
    ...measured.filter(({ share }) => share === undefined),
  ];
  return {
    facts: facts.filter(({ value }) => value !== undefined),
    bars: measured.filter(({ share }) => share !== undefined),
    inputs: inputs.map(input),
    links: federations.map(link),
  };
}

/** Whether there is anything to show of it. */
export function tells(inside) {
  if (!inside) return false;
  return Object.values(figures(inside)).some((list) => list.length > 0);
}

function heap(name, used, most) {
  if (!known(used)) return undefined;
  if (!(most > 0)) return { name, value: `${bytes(used)} used` };
  return bar(name, used / most, `${bytes(used)} of ${bytes(most)}`, 95, 101);
}

function queue({ name, size, capacity }) {
  const title = `${name.charAt(0).toUpperCase()}${name.slice(1)} queue`;
  if (!(capacity > 0)) return { name: title, value: `${whole(size)} waiting` };
  return bar(title, size / capacity, `${whole(size)} of ${whole(capacity)}`, 80, 95);
}

/** A share of something that is full from `warnAt` percent on, and a fault from `badAt` on. */
function bar(name, part, value, warnAt, badAt) {
  const share = Math.min(100, Math.max(0, part * 100));
  const kind = share >= badAt ? 'bad' : share >= warnAt ? 'warning' : 'ok';
  const word = kind === 'ok' ? '' : share >= 99.5 ? 'full' : 'nearly full';
  return { name, value: [value, word || percent(share)].join(', '), share, kind };
}

function processor({ cpu_percent: api, messaging_cpu_percent: messaging }) {
  const title = 'Of all cores';
  if (!known(messaging)) return { name: 'CPU', value: percent(api), title };
  return { name: 'CPU', value: [known(api) && `${percent(api)} API`, `${percent(messaging)} messaging`].filter(Boolean).join(', '), title };
}

function database({ connected, version, size_bytes: size, events, max_connections: most }) {
  const state = connected === undefined ? undefined : connected ? 'connected' : 'not connected';
  const value = [state, bytes(size)].filter(Boolean).join(', ');
  return [
    { name: 'Database', value: value || undefined, kind: connected === false ? 'bad' : undefined },
    { name: 'Database version', value: version },
    { name: 'Stored events', value: whole(events) },
    { name: 'Database connections', value: known(most) ? `at most ${whole(most)}` : undefined },
  ];
}

function input({ name, protocol, port, clients, messages_per_s: messages, rx_bytes_per_s: received }) {
  return {
    name,
    place: [port, protocol].filter(Boolean).join(', ') || undefined,
    clients: whole(clients),
    messages: perSecond(messages),
    received: rate(received),
  };
}

function perSecond(number) {
  if (!known(number)) return undefined;
  return `${number < 9.95 ? number.toFixed(1) : whole(number)}\u00a0/s`;
}

function link({ name, connected, message }) {
  const kind = connected === true ? 'ok' : connected === false ? 'bad' : 'unknown';
  return { name, kind, word: { ok: 'connected', bad: 'not connected', unknown: 'not known' }[kind], message: message ?? '' };
}
