// A container's log, live: it can be searched, stopped and taken along.
//
// A chatty container writes a thousand lines a second: they are drawn together, ten times a second, which is as
// much as anybody can follow. Text from the wire only ever becomes text.

import { LogBuffer } from './log-buffer.js';
import { LogFinder } from './log-finder.js';
import { Stream } from './stream.js';
import { appendLines, removeLines } from './log-rows.js';
import { RESTARTED, asText, lostLine } from './log-line.js';
import { fields, setAttribute, setIcon, setText } from './dom.js';
import { remember, remembered } from './remembered.js';
import { isPassing, statusOf } from './log-status.js';

/** Lines of the past at the beginning. */
const TAIL = 200;

/** Pixels from the end at which somebody still looks at the end. */
const NEAR = 24;

/** Milliseconds from one drawing to the next. */
const PAUSE_MS = 100;

/** To ask again for what is forbidden, not there, or in a log that the engine cannot read, does not help. */
const FINAL = [400, 403, 404, 'engine_failed'];

export class ContainerLog {
  #parts;
  #buffer = new LogBuffer();
  #finder;
  #stream;
  #end;
  #life;
  #name = '';
  #frame = 0;
  #drawnAt = -Infinity;
  #top = 0; // Where it was scrolled to.
  #liked = remembered('log', { wrap: true });

  constructor(section, signal) {
    this.#parts = fields(section);
    const { lines, pause, wrap, toEnd, more, save } = this.#parts;
    this.#finder = new LogFinder(this.#parts, { onMove: () => this.#scrolled(), signal });
    const on = (part, type, act) => part.addEventListener(type, act, { signal });
    on(lines, 'scroll', () => this.#scrolled());
    on(pause, 'click', () => this.#pause());
    on(toEnd, 'click', () => this.#toEnd());
    on(more, 'click', () => this.#goOn());
    on(save, 'click', () => this.#save());
    on(wrap, 'click', () => this.#wrap(!this.#liked.wrap));
    this.#wrap(this.#liked.wrap);
    signal.addEventListener('abort', () => this.close());
  }

  /** Follows the log of the container with this id; `name` is for the file it is saved as. */
  open(id, name) {
    this.close();
    this.#name = name;
    this.#life = new AbortController();
    this.#stream = new Stream({
      url: `api/containers/${encodeURIComponent(id)}/logs?tail=${TAIL}&follow=true`,
      topics: ['log', 'end'],
      final: FINAL,
      signal: this.#life.signal,
      onEvent: (type, data) => (type === 'log' ? this.#add(data) : this.#ended(data)),
      onLagged: (data) => this.#add(lostLine(data)),
      onPing: () => {},
      onOccurrence: () => {},
      onChange: () => this.drawSoon(),
    });
    this.drawSoon();
  }

  close() {
    this.#life?.abort();
    clearTimeout(this.#frame);
    this.#frame = 0;
    this.#stream = this.#end = undefined;
    this.#buffer = new LogBuffer();
    this.#finder.clear();
    this.#parts.lines.replaceChildren();
    setAttribute(this.#parts.pause, 'aria-pressed', 'false');
  }

  /** The container runs (again): a log that ended because it did not goes on. */
  revive() {
    if (this.#end?.reason === 'not_running') this.#goOn();
  }

  drawSoon() {
    if (this.#frame) return;
    const wait = Math.max(0, this.#drawnAt + PAUSE_MS - performance.now());
    this.#frame = setTimeout(() => requestAnimationFrame(() => this.#frame && this.#draw()), wait);
  }

  #add(line) {
    this.#buffer.add(line);
    // As it was left, it is taken up when somebody goes on.
    if (this.#buffer.full && this.#stream.state !== 'resting') this.#stream.rest();
    this.drawSoon();
  }

  #ended(end) {
    if (end.reason === 'restarted') this.#add(RESTARTED);
    if (isPassing(end)) return;
    this.#end = end;
    this.#stream.rest();
  }

  #draw() {
    this.#frame = 0;
    this.#drawnAt = performance.now();
    const { lines, older, toEnd } = this.#parts;
    const { gone, fresh } = this.#buffer.changes();
    removeLines(lines, gone);
    this.#finder.follow(appendLines(lines, fresh));
    if (!this.#buffer.away) lines.scrollTop = lines.scrollHeight;
    this.#top = lines.scrollTop;
    older.hidden = !this.#buffer.forgot;
    toEnd.hidden = !this.#buffer.away;
    this.#showStatus();
  }

  #showStatus() {
    const { status, statusIcon, statusText, more } = this.#parts;
    const { kind, text, more: may } = statusOf({ state: this.#stream?.state, refusal: this.#stream?.refusal, end: this.#end }, this.#buffer);
    setAttribute(status, 'data-kind', kind);
    setIcon(statusIcon, kind);
    setText(statusText, text);
    more.hidden = !may;
  }

  #scrolled() {
    const { lines } = this.#parts;
    const near = lines.scrollHeight - lines.scrollTop - lines.clientHeight <= NEAR;
    // What moves the other way is not somebody who looks further up, but lines that found their place.
    const away = !near && (this.#buffer.away || lines.scrollTop < this.#top);
    this.#top = lines.scrollTop;
    if (away === this.#buffer.away) return;
    this.#buffer.away = away;
    this.#release();
  }

  #pause() {
    this.#buffer.paused = !this.#buffer.paused;
    setAttribute(this.#parts.pause, 'aria-pressed', String(this.#buffer.paused));
    this.#release();
  }

  #toEnd() {
    const { lines } = this.#parts;
    lines.scrollTop = lines.scrollHeight;
    this.#scrolled();
    lines.focus({ preventScroll: true });
  }

  /** What has waited is shown, where nothing holds it any more, and what was not asked for is. */
  #release() {
    this.#buffer.release();
    if (!this.#buffer.full && this.#end === undefined && this.#stream?.state === 'resting') this.#stream.connect();
    this.drawSoon();
  }

  #goOn() {
    this.#end = undefined;
    this.#stream?.connect();
    this.drawSoon();
  }

  #wrap(wrap) {
    this.#liked.wrap = wrap;
    remember('log', this.#liked);
    this.#parts.lines.classList.toggle('wrap', wrap);
    setAttribute(this.#parts.wrap, 'aria-pressed', String(wrap));
    this.drawSoon();
  }

  #save() {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([asText(this.#buffer.lines.filter((line) => this.#finder.shows(line)))], { type: 'text/plain' }));
    link.download = `${this.#name || 'container'}.txt`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}
