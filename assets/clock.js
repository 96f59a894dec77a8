// The server's clock, as well as a viewer can know it.
//
// A phone in the field is often minutes off, and so is a box without a network. So ages are told
// by one clock only, the server's: every ping carries its time, and between pings a monotonic clock
// of the browser goes on from there.
//
// A message is never received before it was sent, so the sample with the least delay is the one
// with the largest offset: the best of the last pings is taken.

/** As many pings as are remembered: two minutes of them, after which a stepped clock is believed. */
const PINGS = 8;

export class ServerClock {
  #monotonic;
  #pings = [];
  #offset;

  /** `monotonic` answers seconds that never step; performance.now() in the browser. */
  constructor(monotonic = () => performance.now() / 1000) {
    this.#monotonic = monotonic;
  }

  /** A ping has just come in: it was sent now, whatever clock says so. */
  ping(timestamp) {
    if (!Number.isFinite(timestamp)) return;
    const sample = timestamp - this.#monotonic();
    // A browser's monotonic clock may stand still while the device sleeps, and a server's clock may
    // be set: either makes the remembered pings worthless.
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
    const sample = timestamp - this.#monotonic();
    if (this.#offset === undefined || sample > this.#offset) this.#offset = sample;
  }

  /** Unix seconds at the server; `undefined` before it has said anything. */
  now() {
    return this.#offset === undefined ? undefined : this.#offset + this.#monotonic();
  }
}
