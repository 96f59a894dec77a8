// A line of a container's log, as it is read: in the viewer's time, and with where it was written to.
//
// Pure.

import { count, day } from './format.js';

const STREAMS = { stdout: 'out', stderr: 'err' };

const two = (number) => String(number).padStart(2, '0');

let lastDay = { midnight: undefined, text: '' };

/** The day (without its year, which the tooltip tells), where it is not today; a log's lines are mostly of one. */
function dayOf(date, now) {
  const midnight = new Date(date).setHours(0, 0, 0, 0);
  if (midnight === new Date(now).setHours(0, 0, 0, 0)) return '';
  if (lastDay.midnight !== midnight) lastDay = { midnight, text: `${day(midnight / 1000).replace(/ \d+$/, '')} ` };
  return lastDay.text;
}

/**
 * When a line was written (Unix seconds), in the viewer's time: `{time: '14:02:11', utc}`; with its
 * day when it is not that of `now` (in milliseconds).
 */
export function moment(seconds, now = Date.now()) {
  if (!Number.isFinite(seconds)) return { time: '', utc: undefined };
  const date = new Date(seconds * 1000);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return { time: dayOf(date, now) + time, utc: date.toISOString() };
}

/** Where it was written to, in a word: `"err"` for `stderr`. */
export const streamWord = (stream) => STREAMS[stream] ?? stream ?? '';

/** A line that stands for those that are missing. */
export const lostLine = ({ lost }) => ({ note: `… ${lost > 0 ? count(lost, 'line') : 'lines'} left out: they came faster than they could be sent.` });

/** A line that stands between two lives of a container. */
export const RESTARTED = { note: '… it has ended, and was started again.' };

/** The lines as a file. */
export function asText(lines) {
  return lines.map(({ note, timestamp, stream, text }) => `${note ?? [moment(timestamp).utc, streamWord(stream), text].filter(Boolean).join(' ')}\n`).join('');
}
