// Looks for words in the lines of a log that are on the page, while they are typed and while lines come in.

import { isIn, needleOf, pieces, step } from './log-search.js';
import { setAttribute, setText } from './dom.js';
import { count } from './format.js';

export class LogFinder {
  #parts;
  #needle;
  #only = false;
  #hits = []; // The rows in which it is found, oldest first.
  #at; // The one that is looked at.

  /** `onMove` is called when a hit has been scrolled to. */
  constructor(parts, { onMove, signal }) {
    this.#parts = parts;
    this.onMove = onMove;
    const { search, next, previous, only } = parts;
    const on = (part, type, act) => part.addEventListener(type, act, { signal });
    on(search, 'input', () => this.#look());
    on(search, 'keydown', (event) => {
      if (event.key === 'Enter') this.#go(event.shiftKey ? -1 : 1);
    });
    on(next, 'click', () => this.#go(1));
    on(previous, 'click', () => this.#go(-1));
    on(only, 'click', () => this.#toggle(!this.#only));
  }

  /** Another log. */
  clear() {
    this.#parts.search.value = '';
    this.#needle = this.#at = undefined;
    this.#hits = [];
    this.#toggle(false);
  }

  /** Whether a line is in sight. */
  shows(line) {
    return !this.#only || !this.#needle || this.#finds(line);
  }

  /** These rows have come in, and others may have gone. */
  follow(rows) {
    if (!this.#needle) return;
    const before = this.#hits.length;
    while (this.#hits[0] && !this.#hits[0].isConnected) this.#hits.shift();
    for (const row of rows) this.#mark(row);
    if (rows.length > 0 || before !== this.#hits.length) this.#tell();
  }

  #finds(line) {
    return !line.note && isIn(this.#needle, String(line.text));
  }

  #look() {
    this.#needle = needleOf(this.#parts.search.value);
    this.#hits = [];
    for (const block of this.#parts.lines.children) for (const row of block.children) this.#mark(row);
    if (this.#at && !this.#hits.includes(this.#at)) this.#leave();
    this.#tell();
    this.onMove();
  }

  #mark(row) {
    const hit = this.#needle !== undefined && this.#finds(row.line);
    if (!hit && !row.marked) return;
    row.marked = hit;
    row.classList.toggle('hit', hit);
    const text = String(row.line.text);
    row.lastElementChild.replaceChildren(...(hit ? pieces(this.#needle, text).map(piece) : [text]));
    if (hit) this.#hits.push(row);
  }

  #go(by) {
    const to = step(this.#hits.indexOf(this.#at), by, this.#hits.length);
    this.#leave();
    if (to < 0) return;
    this.#at = this.#hits[to];
    this.#at.classList.add('here');
    this.#at.scrollIntoView({ block: 'center' });
    this.#tell();
    this.onMove();
  }

  #leave() {
    this.#at?.classList.remove('here');
    this.#at = undefined;
  }

  #toggle(only) {
    this.#only = only;
    setAttribute(this.#parts.only, 'aria-pressed', String(only));
    this.#tell();
  }

  #tell() {
    const { lines, hits, next, previous } = this.#parts;
    const number = this.#hits.length;
    lines.classList.toggle('only', this.#only && this.#needle !== undefined);
    const at = this.#hits.indexOf(this.#at);
    setText(hits, !this.#needle ? '' : at < 0 ? count(number, 'line') : `${at + 1} of ${count(number, 'line')}`);
    next.disabled = previous.disabled = number === 0;
  }
}

function piece({ text, hit }) {
  if (!hit) return text;
  const mark = document.createElement('mark');
  mark.textContent = text;
  return mark;
}
