// What the server tells of one container while somebody looks at it, asked anew whenever that may be another answer.
//
// On a slow link it may have changed while an answer is under way: then one more is asked for behind it, so
// that the last answer is never older than the last change.

import { ask } from './ask.js';

const SIGNED_OUT = 'You are signed out: sign in again to see more.';

/** To ask again would not help. */
const HOPELESS = ['no_such_container', 'bad_container', 'not_found', 'docker_off'];

export class ContainerDetails {
  #id;
  #on;
  #signal;
  #loading = false;
  #again = false; // It may have changed since what is under way was asked.
  #hopeless = false;

  /** Who asks, as `api/session` tells it; absent while that is not known, or nobody is signed in. */
  session;
  /** The details; absent until they have come. */
  told;
  /** Why the last attempt brought nothing, in a sentence. */
  fault;

  /** `onSession()` is called when it is known who asks, `onChange()` when an answer, or none, has come. */
  constructor(id, { signal, ...on }) {
    this.#id = id;
    this.#on = on;
    this.#signal = signal;
  }

  /** Asks; what is under way already is followed by one more. */
  async load() {
    this.#again = true;
    if (this.#loading) return;
    this.#loading = true;
    try {
      while (this.#again && !this.#signal.aborted) {
        this.#again = false;
        await this.#ask();
        if (!this.#signal.aborted) this.#on.onChange();
      }
    } finally {
      this.#loading = false;
    }
  }

  /** Asks again what could not be had, unless that is hopeless or under way. */
  retry() {
    if (this.fault && !this.#hopeless && !this.#loading) this.load();
  }

  async #ask() {
    try {
      this.session ??= await this.#get('api/session');
      if (!this.#signal.aborted) this.#on.onSession();
      this.told = await this.#get(`api/containers/${encodeURIComponent(this.#id)}`);
      this.fault = undefined;
      this.#hopeless = false;
    } catch (error) {
      this.#fail(error);
    }
  }

  async #get(path) {
    const answer = await ask(path, { signal: this.#signal });
    if (answer) return answer;
    this.session = undefined;
    throw new Error(SIGNED_OUT);
  }

  /** What was told stays to be read; what is not there, or wants somebody signed in, cannot be acted upon. */
  #fail({ message, code }) {
    this.fault = message;
    this.#hopeless = HOPELESS.includes(code);
    if (this.told && (this.#hopeless || !this.session)) this.told = { ...this.told, actions: [] };
  }
}
