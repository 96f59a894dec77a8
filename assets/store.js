// The latest reading of each kind, of each machine, and how old it is.
//
// Behind a shared bus one page hears of several machines: their readings are kept apart here, and
// everything that draws is given a plain view of one machine.

import { Freshness } from './freshness.js';

export const TOPICS = ['system_metrics', 'docker_status', 'tak_status'];

export class Store {
  #machines = new Map();

  /** Takes a reading; it replaces the one before. */
  put(topic, data) {
    const node = typeof data.node === 'string' ? data.node : '';
    if (!this.#machines.has(node)) this.#machines.set(node, new Map());
    const readings = this.#machines.get(node);
    const freshness = readings.get(topic)?.freshness ?? new Freshness();
    if (Number.isFinite(data.timestamp)) freshness.reading(data.timestamp);
    readings.set(topic, { data, freshness });
    return node;
  }

  /** The connection was cut. */
  interrupted() {
    for (const readings of this.#machines.values())
      for (const { freshness } of readings.values()) freshness.interrupted();
  }

  /** The machines' names, in an order that doesn't depend on who reported first. */
  nodes() {
    return [...this.#machines.keys()].sort();
  }

  /**
   * One machine as of `now` (server time, `undefined` while that is not known):
   * `{node, now, newest, stale, topics: {system_metrics: {data, age, stale}, ...}}`. A topic that has
   * not been heard of is absent; `stale` as a whole means that all of them are.
   */
  view(node, now) {
    const view = { node, now, newest: undefined, stale: false, topics: {} };
    const readings = this.#machines.get(node) ?? new Map();
    for (const [topic, { data, freshness }] of readings) {
      const known = now !== undefined && Number.isFinite(data.timestamp);
      // Another machine's clock may be ahead of the server's: an age is never below 0.
      const age = known ? Math.max(0, now - data.timestamp) : undefined;
      view.topics[topic] = { data, age, stale: known && age > freshness.limit() };
      if (known) view.newest = Math.max(view.newest ?? 0, data.timestamp);
    }
    const all = Object.values(view.topics);
    view.stale = all.length > 0 && all.every((reading) => reading.stale);
    return view;
  }
}
