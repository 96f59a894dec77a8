// How a log stands, in a sentence: live, paused, at its end, or why it can't be had.
//
// Pure.

import { count, sentence } from './format.js';

const ENDS = {
  not_running: 'It does not run: this is the end of its log.',
  removed: 'The container has been removed: this was the end of its log.',
  failed: 'Docker cannot read any more of it.',
  end: 'This is the end of its log.',
};

/** Why there is no more, for good or until somebody goes on: `{reason, message?}` as the server says it. */
export const endWords = ({ reason, message }) =>
  sentence(message) ?? ENDS[reason] ?? `The log has ended: ${String(reason ?? 'no reason was given').replaceAll('_', ' ')}.`;

/** Whether it is asked for again without anybody's doing: it will go on. */
export const isPassing = ({ reason }) => ['restarted', 'engine_gone'].includes(reason);

/**
 * `{kind, text, more}` of a connection in this `state` (see stream.js), with the `end` that it has come to, and of what
 * its buffer holds; `more` when somebody may ask for more.
 */
export function statusOf({ state, refusal, end }, { waiting, full, paused, length }) {
  if (waiting > 0 || paused) {
    const held = `${paused ? 'Paused' : 'Held, while you look further up'}: ${count(waiting, 'line waits', 'lines wait')}`;
    return { kind: 'idle', text: full ? `${held}, the rest is read when you go on.` : `${held}.` };
  }
  if (end !== undefined) return { kind: 'idle', text: endWords(end), more: true };
  if (state === 'refused') return { kind: 'unknown', text: sentence(refusal), more: true };
  if (state === 'signed-out') return { kind: 'unknown', text: 'You are signed out: sign in again to see it.' };
  if (state === 'open') return { kind: 'ok', text: length > 0 ? `Live, ${count(length, 'line')}` : 'Live: it has not said anything yet.' };
  if (state === 'waiting') return { kind: 'unknown', text: ['Reconnecting…', sentence(refusal)].filter(Boolean).join(' ') };
  return { kind: 'unknown', text: 'Connecting…' };
}
