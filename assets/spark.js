// The small line under a figure: where it has been since this page was opened.
//
// It is drawn from the readings that came in anyway; nothing is asked for, nothing is kept.

const KEEP_SECONDS = 600;
const WIDTH = 200;
const HEIGHT = 40;

/** A longer pause between two readings is drawn as a gap. */
const GAP_SECONDS = 90;

export class Spark {
  #readings = [];

  /** Draws into this `<path>`; `top` is the value of the upper edge, else the largest one seen. */
  constructor(path, { top, floor = 0 } = {}) {
    this.path = path;
    this.top = top;
    this.floor = floor;
  }

  /**
   * Takes a reading and draws the line anew. Unknown values are gaps. A time before the last one
   * means that the clock was set: the line before it belongs nowhere.
   */
  add(time, value) {
    const last = this.#readings.at(-1)?.time;
    if (time === last) return;
    if (time < last) this.clear();
    this.#readings.push({ time, value: Number.isFinite(value) ? value : undefined });
    while (this.#readings[0]?.time < time - KEEP_SECONDS) this.#readings.shift();
    this.path.setAttribute('d', this.#line(time));
  }

  /** Forgets everything: the figures are another machine's now. */
  clear() {
    this.#readings = [];
    this.path.setAttribute('d', '');
  }

  #line(now) {
    const readings = this.#readings;
    const known = readings.filter(({ value }) => value !== undefined);
    if (known.length < 2) return '';
    // Grows to its ten minutes, so that the first readings are already a line.
    const start = known[0].time;
    const width = Math.max(60, now - start);
    const top = this.top ?? Math.max(this.floor, ...known.map(({ value }) => value));
    let before = -Infinity;
    return readings
      .map(({ time, value }) => {
        if (value === undefined) {
          before = -Infinity;
          return '';
        }
        const x = ((time - now + width) / width) * WIDTH;
        const y = HEIGHT - 1 - Math.min(1, Math.max(0, value / (top || 1))) * (HEIGHT - 2);
        const pen = time - before > GAP_SECONDS ? 'M' : 'L';
        before = time;
        return `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      })
      .join('');
  }
}
