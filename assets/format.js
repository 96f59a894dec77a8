// Turns figures into what people read: one place for units, so that no two panels disagree.
//
// Pure: no DOM, no clock. Every function answers `undefined` for a figure that is not known, and
// the caller shows a dash with a reason; nothing here ever makes up a 0.

// A number and its unit stay on one line.
const SPACE = '\u00a0';

const known = (number) => typeof number === 'number' && Number.isFinite(number);

/** A percentage: one decimal below 10, none above. */
export function percent(value) {
  if (!known(value)) return undefined;
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)}${SPACE}%`;
}

// Decimal units, as the prefixes say and as disks are sold. The limits are where rounding would
// print a thousand of the smaller unit.
const UNITS = [
  [999.95e9, 1e12, 'TB', 1],
  [999.5e6, 1e9, 'GB', 1],
  [999.5e3, 1e6, 'MB', 1],
  [999.5, 1e3, 'kB', 0],
  [-Infinity, 1, 'B', 0],
];

/** An amount as its two halves, so that a tile can print the number large: `['5.9', 'GB']`. */
export function bytesParts(value) {
  if (!known(value)) return undefined;
  const [, size, unit, digits] = UNITS.find(([from]) => value >= from);
  // "64 MB" of memory says as much as "64.0 MB".
  return [(value / size).toFixed(unit === 'MB' && value >= 9.95e6 ? 0 : digits), unit];
}

/** An amount: `"2.6 GB"`. */
export function bytes(value) {
  return bytesParts(value)?.join(SPACE);
}

/** A rate as its two halves: `['1.2', 'MB/s']`. */
export function rateParts(value) {
  if (!known(value)) return undefined;
  const [, size, unit, digits] = UNITS.find(([from]) => value >= from);
  return [(value / size).toFixed(digits), `${unit}/s`];
}

/** A rate: `"1.2 MB/s"`. */
export function rate(value) {
  return rateParts(value)?.join(SPACE);
}

/** In and out in one cell: `"210 / 95 kB/s"` when the units agree, else each with its own. */
export function ratePair(into, out) {
  const a = rateParts(into);
  const b = rateParts(out);
  if (!a || !b) return undefined;
  if (a[1] === b[1]) return `${a[0]} / ${b[0]}${SPACE}${a[1]}`;
  return `${rate(into)} / ${rate(out)}`;
}

/** A span of time in at most two units: `"4 s"`, `"3 min"`, `"2 h 5 min"`, `"6 d 3 h"`. */
export function span(seconds) {
  if (!known(seconds)) return undefined;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}${SPACE}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}${SPACE}min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return two(hours, 'h', minutes % 60, 'min');
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** A span in its largest unit only, for narrow columns: `"6 d"`. */
export function spanShort(seconds) {
  return span(seconds)?.split(' ')[0];
}

function two(large, largeUnit, small, smallUnit) {
  const first = `${large}${SPACE}${largeUnit}`;
  return small === 0 ? first : `${first} ${small}${SPACE}${smallUnit}`;
}

/**
 * What is left of a certificate: days, and years from two years on. The days are rounded down, so -1 is
 * the first day after the end; the server's own messages count the same way.
 */
export function daysLeft(days) {
  if (!known(days)) return undefined;
  const whole = Math.floor(days);
  if (whole < -1) return `expired ${-whole - 1}${SPACE}${whole === -2 ? 'day' : 'days'} ago`;
  if (whole === -1) return 'expired today';
  if (whole >= 730) return `${(whole / 365.25).toFixed(1)}${SPACE}years`;
  if (whole === 0) return 'within a day';
  return whole === 1 ? `1${SPACE}day` : `${whole}${SPACE}days`;
}

/** How long something took: `"0.2 ms"`, `"21 ms"`, `"1.4 s"`. */
export function latency(ms) {
  if (!known(ms)) return undefined;
  if (ms < 9.95) return `${ms.toFixed(1)}${SPACE}ms`;
  if (ms < 999.5) return `${ms.toFixed(0)}${SPACE}ms`;
  return `${(ms / 1000).toFixed(1)}${SPACE}s`;
}

/** A temperature, without its unit's letter: `"61"`. */
export function celsius(value) {
  return known(value) ? value.toFixed(0) : undefined;
}

/** A load average: two decimals below 10. */
export function load(value) {
  if (!known(value)) return undefined;
  return value < 9.995 ? value.toFixed(2) : value.toFixed(1);
}

/** The time of day of a Unix time, in the viewer's time zone: `"14:02:11"`. */
export function timeOfDay(seconds) {
  if (!known(seconds)) return undefined;
  return new Date(seconds * 1000).toLocaleTimeString('en-GB');
}

// Made once: each takes longer to make than five hundred dates take to be written.
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** The day of a Unix time: `"5 Dec 2026"`. */
export function day(seconds) {
  return known(seconds) ? DAY.format(seconds * 1000) : undefined;
}

// These are written small wherever they stand.
const SMALL = ['takpulse', 'taky', 'systemd', 'systemctl'];

/** A message as a sentence of its own: a first word in small letters gets a capital, a path stays. */
export function sentence(message) {
  if (typeof message !== 'string') return undefined;
  const [first] = /^[a-z]+(?= )/.exec(message) ?? [];
  return first && !SMALL.includes(first) ? message[0].toUpperCase() + message.slice(1) : message;
}

/** `"1 problem"`, `"2 problems"`. */
export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** `"a, b and c"`. */
export function listed(words) {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** A number with its thousands apart: `"1,234,567"`. */
export function whole(number) {
  return known(number) ? Math.round(number).toLocaleString('en-GB') : undefined;
}

/** How long ago something was, in its largest unit: `"3 min ago"`. */
export function ago(seconds) {
  return known(seconds) ? `${spanShort(seconds)} ago` : undefined;
}

/** What is left of a certificate, as a countdown: `"12 days left"`, `"expired today"`. */
export function countdown(days) {
  if (!known(days)) return undefined;
  if (days < 0) return daysLeft(days);
  return days < 1 ? `ends ${daysLeft(days)}` : `${daysLeft(days)} left`;
}
