// When a reading is too old to be believed.
//
// The page isn't told how often a source is read, and the cadence changes (slower while nobody
// watches, slower while a source fails). So it is learned from the readings themselves.

/** A reading younger than this is fresh, however quick the source usually is. */
const MIN_SECONDS = 15;

/** What is expected before two readings have been seen. */
const FIRST_GAP_SECONDS = 15;

/** A longer pause teaches nothing: it was an outage. */
const MAX_GAP_SECONDS = 120;

export class Freshness {
  #last;
  #gaps = [];

  /** A reading made at this time has come in. */
  reading(timestamp) {
    if (this.#last !== undefined && timestamp > this.#last) {
      this.#gaps.push(Math.min(timestamp - this.#last, MAX_GAP_SECONDS));
      // Two, so that one early reading (a source that said "I changed") doesn't shorten the limit.
      if (this.#gaps.length > 2) this.#gaps.shift();
    }
    this.#last = timestamp;
  }

  /** The stream was cut: the pause until the next reading says nothing about the cadence. */
  interrupted() {
    this.#last = undefined;
  }

  /** The age in seconds from which on a reading counts as stale: three intervals. */
  limit() {
    const gap = this.#gaps.length > 0 ? Math.max(...this.#gaps) : FIRST_GAP_SECONDS;
    return Math.max(MIN_SECONDS, 3 * gap);
  }
}
