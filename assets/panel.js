// What the three panels have in common: the state they are in, said in their head.

import { fields, setAttribute, setText } from './dom.js';
import { sentence, span } from './format.js';

export class Panel {
  /** The panel's `<section>` and the parts of it marked with `data-field`. */
  constructor(section) {
    this.section = section;
    this.parts = fields(section);
  }

  /**
   * Says whether the reading is there and fresh. `reading` is `{data, age, stale}` or `undefined`,
   * `online` whether the stream is open, `enabled` whether the configuration has it switched on.
   */
  showState(reading, online, enabled) {
    const { age, waiting } = this.parts;
    setAttribute(this.section, 'data-state', !reading ? 'waiting' : reading.stale ? 'stale' : 'live');
    const off = enabled ? undefined : 'Switched off in the configuration.';
    setText(waiting, off ?? (online ? 'Waiting for the first reading…' : 'No connection yet: nothing is known.'));
    // Said as soon as the stream is cut, although the figures are believed a little longer.
    const old = reading?.age !== undefined && (reading.stale || !online);
    age.hidden = !old;
    setText(age, old ? `${span(reading.age)} old` : '');
  }

  /** Another machine is shown from now on: what the head says is not its own. */
  clear() {
    const { about, name } = this.parts;
    for (const part of [about, name]) {
      if (!part) continue;
      setText(part, '');
      setAttribute(part, 'title', undefined);
    }
  }

  /** Says what is to be done about a source that can't be read; `undefined` says nothing. */
  showNotice(message) {
    const { notice } = this.parts;
    notice.hidden = !message;
    setText(notice, sentence(message) ?? '');
  }
}
