// Where a figure has been lately, as the line that is drawn of it.
//
// Pure. It is made of the readings that came in anyway; nothing is asked for. What is not known is a gap.

const WIDTH = 200;
const HEIGHT = 40;

/** A longer pause between two readings is drawn as a gap. */
const GAP_SECONDS = 90;

export class Trail {
  #readings = [];
  #line;

  /**
   * `top` is the value of the upper edge, else the largest one seen and this much `above` it, at least `floor`. So many `seconds` are
   * kept; readings that come within less than `apart` seconds are one.
   */
  constructor({ top, floor = 0, above = 1, seconds = 600, apart = 0 } = {}) {
    Object.assign(this, { top, floor, above, seconds, apart });
  }

  /**
   * Takes a reading; answers whether it counts. A time before the last one means that the clock was set:
   * the line before it belongs nowhere.
   */
  add(time, value) {
    const last = this.#readings.at(-1)?.time;
    if (time < last) this.clear();
    else if (time === last || time - last < this.apart) return false;
    this.#readings.push({ time, value: Number.isFinite(value) ? value : undefined });
    this.#line = undefined;
    while (this.#readings[0].time < time - this.seconds) this.#readings.shift();
    return true;
  }

  /** Forgets everything. */
  clear() {
    this.#readings = [];
    this.#line = undefined;
  }

  get length() {
    return this.#readings.length;
  }

  /** The path, in a box of 200 by 40; empty while there are fewer than two known readings. */
  get line() {
    return (this.#line ??= this.#drawn());
  }

  #drawn() {
    const readings = this.#readings;
    const known = readings.filter(({ value }) => value !== undefined);
    if (known.length < 2) return '';
    const now = readings.at(-1).time;
    // Grows to its whole length, so that the first readings are already a line.
    const width = Math.max(60, now - known[0].time);
    const top = this.top ?? Math.max(this.floor, this.above * Math.max(...known.map(({ value }) => value)));
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
