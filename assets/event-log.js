// What scripts and rules have published lately: the server's memory and the live stream, made one.
//
// Pure. The stream tells type, data and id; where and when an event happened only the server's memory
// tells, and a stream that was taken up again brings old events too. So a time is made up only for
// what was heard after the memory had been read.

import { sentenceOf } from './operations.js';

/** As many as the server tells, and as anybody looks through. */
export const MOST = 100;

export class EventLog {
  #events = []; // Oldest first.
  #caughtUp = false;
  #unnamed = 0;

  /** So many events never reached this page. */
  lost = 0;

  /** Newest first: `{id, type, data, timestamp?, channel?, node?}`. */
  newest(most) {
    return this.#events.slice(-most).reverse();
  }

  get length() {
    return this.#events.length;
  }

  /** A new connection: until the memory has been read again, what is heard may be old. */
  connected() {
    this.#caughtUp = false;
  }

  /** Takes an event from the stream, at this server time. */
  add({ type, data, id }, now) {
    const key = id || `unnamed ${this.#unnamed++}`;
    if (this.#events.some((event) => event.id === key)) return;
    this.#keep([...this.#events, { id: key, type, data, timestamp: this.#caughtUp ? now : undefined }]);
  }

  /** Takes the answer of `api/events`; `undefined` when there was none. */
  remember(answer) {
    this.#caughtUp = true;
    if (!Array.isArray(answer?.events)) return;
    const told = new Map(answer.events.filter((event) => typeof event?.id === 'string').map((event) => [event.id, event]));
    const others = this.#events.filter(({ id }) => !told.has(id));
    // One without a time came after the memory had been told, or while it was.
    const time = ({ timestamp }) => (Number.isFinite(timestamp) ? timestamp : Infinity);
    const all = [...told.values(), ...others];
    // Of two that have no time, the difference would be no number.
    this.#keep(all.sort((a, b) => (time(a) === time(b) ? 0 : time(a) - time(b))));
  }

  /** The stream said `lagged`. */
  lag({ lost }) {
    if (lost > 0) this.lost += lost;
  }

  #keep(events) {
    this.#events = events.slice(-MOST);
  }
}

/** More of a text than this is not worth a line, nor a tap. */
const MOST_LETTERS = 2000;

/**
 * What an event says, in one line: `"wind_m_s 7.5 · from north-west"` for
 * `{"wind_m_s":7.5,"from":"north-west"}`. Alerts and what is done to containers have sentences of their own.
 */
export function dataLine({ type, data }) {
  let value = data ?? '';
  try {
    value = JSON.parse(value);
  } catch {
    // Not everything is JSON.
  }
  const alert = type === 'alert' && typeof value?.message === 'string';
  const action = type === 'container_action' && typeof value?.action === 'string';
  const said = alert ? `${[value.severity, value.state].filter(Boolean).join(', ')}: ${value.message}` : action ? sentenceOf(value) : words(value);
  const line = said.replaceAll(/\s+/g, ' ').trim();
  return line.length > MOST_LETTERS ? `${line.slice(0, MOST_LETTERS)}…` : line;
}

function words(value) {
  if (value === null) return 'nothing';
  if (typeof value !== 'object') return String(value);
  const list = Array.isArray(value);
  const parts = Object.entries(value).map(([key, one]) => {
    const nested = one !== null && typeof one === 'object';
    const said = nested ? JSON.stringify(one) : one === '' ? '“”' : words(one);
    return list ? said : `${key} ${said}`;
  });
  return parts.join(list ? ', ' : ' · ');
}

/**
 * Where an event comes from: the machine and the channel, as far as they are known and worth a word.
 * An id of takpulse's own begins with the name of its machine; `nodes` are the names heard of.
 */
export function origin({ id, node, channel }, nodes) {
  const own = (name) => id.startsWith(`${name}-`) && /^\w+-\d+$/.test(id.slice(name.length + 1));
  const from = nodes.length > 1 ? (node ?? nodes.find(own)) : undefined;
  return [from, channel === 'sse' ? undefined : channel && `channel ${channel}`].filter(Boolean).join(', ');
}
