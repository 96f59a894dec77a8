// When a reading is too old to be believed.
//
// The page isn't told how often a source is read, and the cadence changes (slower while nobody
// watches, slower while a source fails). So it is learned from the readings themselves.

/** A reading younger than this is fresh, however quick the source usually is. */
const MIN_SECONDS = 45;

/**
 * What is believed before two readings have been seen: a source that nobody watched is read once a
 * minute, and the first reading may be that old already.
 */
const FIRST_SECONDS = 90;

/** A longer pause teaches nothing: it was an outage. */
const MAX_GAP_SECONDS = 120;

/**
 * The longest pause within this time counts. A burst of early readings (a source that said "I
 * changed") is over much sooner, and so doesn't shorten the limit.
 */
const REMEMBER_SECONDS = 180;

export class Freshness {
  #last;
  #gaps = [];

  /** A reading made at this time has come in. */
  reading(timestamp) {
    if (this.#last !== undefined && timestamp > this.#last) {
      // A clock that was set back leaves gaps in the future: they are forgotten as well.
      this.#gaps = this.#gaps.filter(({ end }) => end <= timestamp && end > timestamp - REMEMBER_SECONDS);
      this.#gaps.push({ end: timestamp, seconds: Math.min(timestamp - this.#last, MAX_GAP_SECONDS) });
    }
    this.#last = timestamp;
  }

  /** The stream was cut: the pause until the next reading says nothing about the cadence. */
  interrupted() {
    this.#last = undefined;
  }

  /** The age in seconds from which on a reading counts as stale: three intervals. */
  limit() {
    if (this.#gaps.length === 0) return FIRST_SECONDS;
    return Math.max(MIN_SECONDS, 3 * Math.max(...this.#gaps.map(({ seconds }) => seconds)));
  }
}
