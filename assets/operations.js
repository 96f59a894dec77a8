// What is being done to containers, and how it went: by whomever, from wherever.
//
// Pure. The stream tells each step as a `container_action`; a stream that was taken up again tells some
// twice, and the end of one may have been lost.

import { sentence, span } from './format.js';

const WORDS = {
  start: { noun: 'Start', doing: 'starting…', done: 'started' },
  stop: { noun: 'Stop', doing: 'stopping…', done: 'stopped' },
  restart: { noun: 'Restart', doing: 'restarting…', done: 'restarted' },
};

/** Seconds for which each state is worth a word. A stop may take as long as the container asks for. */
const SHOWN = { in_progress: 300, completed: 60, error: 600 };

const KINDS = { in_progress: 'idle', completed: 'ok', error: 'warning' };

/** What can be done, as a button says it. */
export const actionName = (action) => WORDS[action]?.noun ?? action;

/** One step in a sentence: `"Restart of tak failed: It is gone. (asked by anna)"`. */
export function sentenceOf({ action, name, state, by, message, duration_seconds: seconds }) {
  const { doing, done } = WORDS[action] ?? { doing: `${action}…`, done: action };
  const who = by ? `asked by ${by}` : undefined;
  if (state === 'error') return [`${actionName(action)} of ${name} failed: ${sentence(message) ?? 'no reason given.'}`, who && `(${who})`].filter(Boolean).join(' ');
  const took = seconds >= 1 ? ` in ${span(seconds)}` : '';
  return [state === 'completed' ? `${name} ${done}${took}` : `${name} ${doing}`, who].filter(Boolean).join(', ');
}

/** Two machines may have containers of one id: one disk may have been copied from the other. */
const keyOf = (node, container) => `${node} ${container}`;

export class Operations {
  #latest = new Map();

  /** Takes an occurrence's data, as text; answers whether it is one of ours and new. */
  take(text) {
    let step;
    try {
      step = JSON.parse(text);
    } catch {
      return false;
    }
    if (typeof step?.container !== 'string' || !(step.state in KINDS)) return false;
    const key = keyOf(step.node, step.container);
    if (this.#latest.get(key)?.timestamp > step.timestamp) return false;
    this.#latest.set(key, step);
    return true;
  }

  /** What was done last to a container of a machine, as of `now`: `{state, kind, doing?, text}`, if it is worth a word. */
  of(node, id, now) {
    const step = this.#latest.get(keyOf(node, id));
    if (!step || now - step.timestamp > SHOWN[step.state]) return undefined;
    const { state, action } = step;
    const doing = state === 'in_progress' ? (WORDS[action]?.doing ?? `${action}…`) : undefined;
    return { state, kind: KINDS[state], doing, text: sentenceOf(step) };
  }
}
