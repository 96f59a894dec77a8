// What the page waits for: the topics that the server's configuration has switched on.
//
// "All well" may only be said once each of them has spoken; and a panel whose topic is switched off
// must not wait for ever.

import { TOPICS } from './store.js';

const NAMES = { tak_status: 'TAK server', system_metrics: 'host', docker_status: 'containers' };

export class Expected {
  /** Everything, until the server says otherwise: too much patience is better than a false "All well". */
  topics = TOPICS;

  /** Asks the server; what it doesn't say stays as it was. */
  async ask(signal) {
    try {
      const answer = await fetch(new URL('api/state', document.baseURI), { signal });
      const { topics } = await answer.json();
      if (answer.ok && Array.isArray(topics)) this.topics = TOPICS.filter((topic) => topics.includes(topic));
    } catch {
      // No answer, or none that can be read.
    }
  }

  /**
   * What a page that has heard of these topics, and found nothing wrong, may say:
   * `{kind: 'ok' | 'unknown', word, text}`, the word for the title and the text for the card.
   */
  verdict(heard) {
    const missing = Object.keys(NAMES).filter((topic) => this.topics.includes(topic) && !heard.includes(topic));
    if (heard.length === 0) {
      const text = missing.length > 0 ? 'Waiting for the first readings…' : 'Everything is switched off in the configuration.';
      return { kind: 'unknown', word: missing.length > 0 ? 'Waiting' : 'Switched off', text };
    }
    if (missing.length === 0) return { kind: 'ok', word: 'All well', text: 'All well' };
    const names = missing.map((topic) => NAMES[topic]).join(', ');
    return { kind: 'unknown', word: 'Waiting', text: `No problem so far; waiting for: ${names}` };
  }
}
