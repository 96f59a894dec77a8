// The life of the one connection to the server: connect, listen, notice silence, come back.
//
// EventSource alone isn't enough. It never retries after an answer other than 200 (a proxy's 502
// while the server restarts ends it for good), and it doesn't notice a connection that died while
// the device slept. So each EventSource is used for one connection only, and closed on its error.

import { backoff } from './backoff.js';

/** The server pings every 15 s; after this much silence the connection is taken for dead. */
const SILENCE_MS = 40_000;

/** When the page wakes up, one missed ping is reason enough. */
const SILENCE_ON_WAKING_MS = 20_000;

export class Stream {
  #url;
  #topics;
  #onEvent;
  #onPing;
  #onChange;
  #source;
  #lastId = '';
  #failures = 0;
  #heardAt = 0;
  #retryTimer;
  #attempt = new AbortController();

  /** `connecting`, `open`, `waiting` (until `retryAt`) or `signed-out`. */
  state = 'connecting';
  /** When the next attempt is due, by Date.now(). */
  retryAt = 0;
  /** What the server said when it refused, if it said anything. */
  refusal = '';

  /**
   * `onEvent(topic, data)`, `onPing(data)` and `onChange()` (the state changed) are called as things
   * happen. Everything ends with `signal`.
   */
  constructor({ url, topics, onEvent, onPing, onChange, signal }) {
    this.#url = url;
    this.#topics = topics;
    this.#onEvent = onEvent;
    this.#onPing = onPing;
    this.#onChange = onChange;
    const wake = () => this.#check(SILENCE_ON_WAKING_MS, true);
    addEventListener('online', wake, { signal });
    addEventListener('pageshow', wake, { signal });
    document.addEventListener('visibilitychange', () => document.hidden || wake(), { signal });
    const watchdog = setInterval(() => this.#check(SILENCE_MS, false), 1000);
    signal.addEventListener('abort', () => {
      clearInterval(watchdog);
      this.#close();
    });
    this.connect();
  }

  /** Connects now, whatever was going on. */
  connect() {
    this.#close();
    this.#heardAt = Date.now();
    this.#change('connecting');
    // A new EventSource can't send a Last-Event-ID header; the server takes the query as well.
    const url = new URL(this.#url, document.baseURI);
    if (this.#lastId) url.searchParams.set('last_event_id', this.#lastId);
    const source = new EventSource(url);
    this.#source = source;
    const { signal } = (this.#attempt = new AbortController());
    const listen = (name, hear) =>
      source.addEventListener(
        name,
        (event) => {
          this.#heardAt = Date.now();
          // Only a connection that delivers is a success: some proxies accept, and then hang up.
          if (event.data !== undefined) this.#failures = 0;
          hear(event);
        },
        { signal },
      );
    listen('open', () => {
      this.refusal = '';
      this.#change('open');
    });
    for (const topic of this.#topics) {
      listen(topic, (event) => {
        if (event.lastEventId) this.#lastId = event.lastEventId;
        this.#read(event.data, (data) => this.#onEvent(topic, data));
      });
    }
    listen('ping', (event) => this.#read(event.data, (data) => this.#onPing(data)));
    // Only occurrences can be lost, and the page shows states; but it is a sign of life.
    listen('lagged', () => {});
    listen('error', (event) => {
      // An event that somebody published under the name "error" has data; a broken connection hasn't.
      if (event.data !== undefined) return;
      const refused = source.readyState === EventSource.CLOSED && this.state === 'connecting';
      this.#close();
      if (refused) this.#askWhy(url);
      else this.#retryIn(backoff(this.#failures++));
    });
  }

  #read(data, use) {
    let json;
    try {
      json = JSON.parse(data);
    } catch {
      return; // Not ours to repair; the next event replaces it.
    }
    if (json !== null && typeof json === 'object') use(json);
  }

  /** EventSource hides the status of a refusal; a plain request to the same place shows it. */
  async #askWhy(url) {
    const { signal } = (this.#attempt = new AbortController());
    let seconds = backoff(this.#failures++);
    try {
      const answer = await fetch(url, { signal, headers: { Accept: 'text/event-stream' } });
      const retryAfter = Number(answer.headers.get('Retry-After'));
      if (retryAfter > 0) seconds = retryAfter;
      if (!answer.ok) {
        const body = await answer.json().catch(() => undefined);
        this.refusal = String(body?.error?.message ?? `The server answered ${answer.status}.`);
      }
      if (answer.status === 401) return this.#change('signed-out');
    } catch {
      // No answer at all: the wait stands. After an abort there is nobody left to wait for.
      if (signal.aborted) return;
    } finally {
      // An accepted request is a stream that nobody reads: let go of it.
      if (!signal.aborted) this.#attempt.abort();
    }
    this.#retryIn(seconds);
  }

  #retryIn(seconds) {
    this.retryAt = Date.now() + seconds * 1000;
    this.#retryTimer = setTimeout(() => this.connect(), seconds * 1000);
    this.#change('waiting');
  }

  /** Is the connection as alive as it looks? Timers stop while a device sleeps; clocks don't. */
  #check(patienceMs, impatient) {
    if (this.state === 'signed-out') return;
    if (this.state === 'waiting') {
      if (impatient || Date.now() > this.retryAt + 1000) this.connect();
    } else if (Date.now() - this.#heardAt > patienceMs) {
      this.connect();
    }
  }

  #close() {
    clearTimeout(this.#retryTimer);
    this.#attempt.abort();
    this.#source?.close();
  }

  #change(state) {
    this.state = state;
    this.#onChange();
  }
}
