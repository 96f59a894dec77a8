// The life of the one connection to the server: connect, listen, notice silence, come back.
//
// EventSource won't do. It hears only the types that it was told of, it hides why it was refused, it
// never retries after an answer other than 200 (a proxy's 502 while the server restarts ends it for
// good), and it doesn't notice a connection that died while the device slept. So the stream is read
// with fetch, one request for each connection.

import { backoff } from './backoff.js';
import { SseParser } from './sse.js';

/** The server pings every 15 s; after this much silence the connection is taken for dead. */
const SILENCE_MS = 40_000;

/** When the page wakes up, one missed ping is reason enough. */
const SILENCE_ON_WAKING_MS = 20_000;

/** The server says after how long to come back; scripts may say so too, and that is kept within reason. */
const RETRY_SECONDS = [0.5, 60];

export class Stream {
  #url;
  #topics;
  #final;
  #on;
  #lastId = '';
  #failures = 0;
  #heardAt = 0;
  #retryTimer;
  #attempt = new AbortController();

  /**
   * `connecting`, `open`, `waiting` (until `retryAt`), `signed-out`, `refused` (asking again would not help) or
   * `resting`: from the last three only connect() leads on.
   */
  state = 'connecting';
  /** When the next attempt is due, by Date.now(). */
  retryAt = 0;
  /** What the server said when it refused, if it said anything. */
  refusal = '';

  /**
   * Called as things happen: `onEvent(topic, data)` for a state, `onOccurrence({type, data, id})` with
   * the data as text, `onPing(data)`, `onLagged(data)`, and `onChange()` when the state changed.
   * After an answer whose status or error code is in `final` it is not asked again. Everything ends with `signal`.
   */
  constructor({ url, topics, signal, final = [], ...on }) {
    this.#url = url;
    this.#topics = topics;
    this.#final = final;
    this.#on = on;
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
    this.#attempt = new AbortController();
    this.#listen(this.#attempt.signal);
  }

  /** Lets go of the connection; connect() takes it up where it was left. */
  rest() {
    this.#close();
    this.#change('resting');
  }

  /** One connection, from the request to its end. What is aborted says nothing more. */
  async #listen(signal) {
    const headers = { Accept: 'text/event-stream' };
    // Headers are bytes: an id beyond ASCII goes as UTF-8, as EventSource would send it.
    if (this.#lastId) headers['Last-Event-ID'] = String.fromCharCode(...new TextEncoder().encode(this.#lastId));
    let retry;
    try {
      const answer = await fetch(new URL(this.#url, document.baseURI), { signal, headers, cache: 'no-store' });
      if (signal.aborted) return;
      if (!answer.ok) return await this.#refused(answer, signal);
      if (!/^text\/event-stream\b/i.test(answer.headers.get('Content-Type'))) {
        this.refusal = 'Something that is not takpulse answered: a proxy, or the sign-in page of a network.';
        throw new TypeError(this.refusal);
      }
      this.#heardAt = Date.now();
      this.refusal = '';
      this.#change('open');
      retry = await this.#hearAll(answer.body.getReader(), signal);
    } catch {
      // No answer, no stream, one that broke, or an event without end: the wait is ours to choose.
    }
    if (signal.aborted) return;
    // Lets go of what is still open.
    this.#attempt.abort();
    // The server spreads its viewers when it restarts; but one that accepts and then hangs up, without
    // having delivered anything, is left alone for longer each time.
    const delivered = this.#failures === 0;
    const wait = backoff(this.#failures++);
    this.#retryIn(retry === undefined ? wait : delivered ? retry : Math.max(wait, retry));
  }

  /** Hears until the server ends it; answers after how many seconds it wants to see us again. */
  async #hearAll(reader, signal) {
    const parser = new SseParser();
    parser.lastId = this.#lastId;
    // The byte order mark is the parser's to take away.
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    for (;;) {
      const { value, done } = await reader.read();
      if (signal.aborted) return undefined;
      if (done) break;
      this.#heardAt = Date.now();
      for (const event of parser.feed(decoder.decode(value, { stream: true }))) this.#hear(event);
      this.#lastId = parser.lastId;
    }
    if (parser.retry === undefined) return undefined;
    const [least, most] = RETRY_SECONDS;
    return Math.min(most, Math.max(least, parser.retry / 1000));
  }

  #hear({ type, data, id }) {
    // Only a connection that delivers is a success: some proxies accept, and then hang up.
    this.#failures = 0;
    this.#tell(() => {
      if (type === 'ping') this.#read(data, this.#on.onPing);
      else if (type === 'lagged') this.#read(data, this.#on.onLagged);
      else if (this.#topics.includes(type)) this.#read(data, (json) => this.#on.onEvent(type, json));
      else this.#on.onOccurrence({ type, data, id });
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

  /** Why, and when to come back. */
  async #refused(answer, signal) {
    const body = await answer.json().catch(() => undefined);
    if (signal.aborted) return;
    this.refusal = String(body?.error?.message ?? `The server answered ${answer.status}.`);
    if (answer.status === 401) return this.#change('signed-out');
    if ([answer.status, body?.error?.code].some((what) => this.#final.includes(what))) return this.#change('refused');
    const wait = backoff(this.#failures++);
    const retryAfter = Number(answer.headers.get('Retry-After'));
    this.#retryIn(retryAfter > 0 ? retryAfter : wait);
  }

  #retryIn(seconds) {
    this.retryAt = Date.now() + seconds * 1000;
    this.#retryTimer = setTimeout(() => this.connect(), seconds * 1000);
    this.#change('waiting');
  }

  /** Is the connection as alive as it looks? Timers stop while a device sleeps; clocks don't. */
  #check(patienceMs, impatient) {
    if (['signed-out', 'refused', 'resting'].includes(this.state)) return;
    if (this.state === 'waiting') {
      if (impatient || Date.now() > this.retryAt + 1000) this.connect();
    } else if (Date.now() - this.#heardAt > patienceMs) {
      this.connect();
    }
  }

  #close() {
    clearTimeout(this.#retryTimer);
    this.#attempt.abort();
  }

  #change(state) {
    this.state = state;
    this.#tell(() => this.#on.onChange());
  }

  /** A fault in what draws the page is told in the console; the connection has no part in it. */
  #tell(run) {
    try {
      run();
    } catch (error) {
      reportError(error);
    }
  }
}
