// The events card: what scripts and rules have published, newest first.
//
// Scripts may publish a hundred a second; the card is drawn at most twice a second, and nobody could
// read more. It shows few rows until asked for all, so that it stays as long as it is.

import { EventLog, dataLine, origin } from './event-log.js';
import { fields, follow, setAttribute, setText, setValue, stamp } from './dom.js';
import { count, span, timeOfDay } from './format.js';

/** So many rows unless all are wanted. */
const FEW = 15;

/** Milliseconds from one drawing to the next. */
const PAUSE_MS = 500;

export class EventsPanel {
  #parts;
  #all = false;
  #drawnAt = -Infinity;
  #log = new EventLog();

  constructor(section, { onChange, signal }) {
    this.#parts = fields(section);
    this.signal = signal;
    this.onChange = onChange;
    const toggle = () => {
      this.#all = !this.#all;
      onChange();
    };
    this.#parts.more.addEventListener('click', toggle, { signal });
  }

  /** The stream has brought an event. */
  add(event, now) {
    this.#log.add(event, now);
    // The page draws at least once a second anyway.
    if (performance.now() - this.#drawnAt >= PAUSE_MS) this.onChange();
  }

  /** The stream has left events out. */
  lag(data) {
    this.#log.lag(data);
    this.onChange();
  }

  /** Reads what the server remembers: at each connection, as the stream may begin anywhere. */
  async ask() {
    this.#log.connected();
    let answer;
    try {
      const response = await fetch(new URL('api/events', document.baseURI), { signal: this.signal });
      if (response.ok) answer = await response.json();
    } catch {
      // No answer, or none that can be read: the stream goes on alone.
    }
    if (this.signal.aborted) return;
    this.#log.remember(answer);
    this.onChange();
  }

  /** Draws the card: `nodes` are the machines heard of. */
  show(nodes, now) {
    this.#drawnAt = performance.now();
    const { list, empty, lost, more, number } = this.#parts;
    const { length } = this.#log;
    empty.hidden = length > 0;
    setText(number, length > 0 ? `the last ${count(length, 'event')}` : '');
    lost.hidden = this.#log.lost === 0;
    const were = this.#log.lost === 1 ? 'was' : 'were';
    setText(lost, lost.hidden ? '' : `${count(this.#log.lost, 'event')} ${were} lost while this page could not keep up.`);
    more.hidden = length <= FEW;
    setText(more, this.#all ? 'Show fewer' : `Show all ${length}`);
    setAttribute(more, 'aria-expanded', String(this.#all));
    const shown = this.#log.newest(this.#all ? length : FEW);
    follow(list, shown, (event) => event.id, createRow, (row, event) => updateRow(row, event, nodes, now));
  }
}

function createRow(event) {
  const row = stamp('event');
  row.parts = fields(row);
  // These never change, so they are read once.
  const line = dataLine(event);
  setText(row.parts.type, event.type);
  setText(row.parts.data, line || 'no data');
  setAttribute(row, 'title', [event.type, line].join('\n'));
  return row;
}

function updateRow(row, event, nodes, now) {
  const { when, from } = row.parts;
  const known = now !== undefined && Number.isFinite(event.timestamp);
  const age = known ? Math.max(0, now - event.timestamp) : undefined;
  setValue(when, span(age), 'When it happened is not known.', known ? `at ${timeOfDay(event.timestamp)}` : undefined);
  setText(from, origin(event, nodes));
}
