// The server's clock, as well as a viewer can know it.
//
// A phone in the field is often minutes off, and so is a box without a network. So ages are told
// by one clock only, the server's: every ping carries its time, and between pings a monotonic clock
// of the browser goes on from there.
//
// A message is never received before it was sent, so the sample with the least delay is the one
// with the largest offset: the best of the last pings is taken.
//
// In several browsers the monotonic clock stands still while the device sleeps, and the wall clock
// doesn't. So when the wall clock has gained on it, that time is taken to have passed, until the next
// ping tells. A wall clock that falls behind was set, and counts for nothing: nothing gets younger.

/** As many pings as are remembered: two minutes of them, after which a stepped clock is believed. */
const PINGS = 8;

/** A wall clock that gains more than this at once tells of sleep; less is a clock being adjusted. */
const SLEPT_SECONDS = 5;

export class ServerClock {
  #monotonic;
  #wall;
  #lead; // By how much the wall clock was ahead when it was last looked at.
  #pings = [];
  #offset;

  /**
   * `monotonic` answers seconds that never step, performance.now() in the browser; `wall` seconds
   * that go on during sleep.
   */
  constructor(monotonic = () => performance.now() / 1000, wall = () => Date.now() / 1000) {
    this.#monotonic = monotonic;
    this.#wall = wall;
    this.#lead = wall() - monotonic();
  }

  /** A ping has just come in: it was sent now, whatever clock says so. */
  ping(timestamp) {
    if (!Number.isFinite(timestamp)) return;
    this.#noticeSleep(); // What was slept before this ping is part of it, and not to be added again.
    const sample = timestamp - this.#monotonic();
    // The device may have slept, and a server's clock may be set: either makes the remembered pings
    // worthless.
    if (this.#offset !== undefined && Math.abs(sample - this.#offset) > 10) this.#pings = [];
    this.#pings.push(sample);
    if (this.#pings.length > PINGS) this.#pings.shift();
    this.#offset = Math.max(...this.#pings);
  }

  /**
   * An event has come in. It may be old (a snapshot) or from another machine, so it only counts
   * until the first ping.
   */
  event(timestamp) {
    if (!Number.isFinite(timestamp) || this.#pings.length > 0) return;
    this.#noticeSleep();
    const sample = timestamp - this.#monotonic();
    if (this.#offset === undefined || sample > this.#offset) this.#offset = sample;
  }

  /** Unix seconds at the server; `undefined` before it has said anything. */
  now() {
    this.#noticeSleep();
    return this.#offset === undefined ? undefined : this.#offset + this.#monotonic();
  }

  /** Asked at every tick, so that what the wall clock gained it gained since the last one. */
  #noticeSleep() {
    const lead = this.#wall() - this.#monotonic();
    const gained = lead - this.#lead;
    this.#lead = lead;
    if (gained > SLEPT_SECONDS && this.#offset !== undefined) this.#offset += gained;
  }
}
