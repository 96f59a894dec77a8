// Finds words in lines of a log.
//
// Pure. What is typed is looked for as it stands, in capitals or not.

/** More marks than these in one line nobody looks at. */
const MARKS = 50;

/** What to look for; `undefined` when nothing is. */
export function needleOf(text) {
  if (text === '') return undefined;
  return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'giu');
}

/** Whether it is in there. */
export const isIn = (needle, text) => text.search(needle) >= 0;

/** A text in pieces, `[{text, hit}]`, which together are the text. */
export function pieces(needle, text) {
  const found = [];
  let from = 0;
  for (const match of text.matchAll(needle)) {
    if (found.length >= 2 * MARKS) break;
    if (match.index > from) found.push({ text: text.slice(from, match.index), hit: false });
    found.push({ text: match[0], hit: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ text: text.slice(from), hit: false });
  return found;
}

/** Which of so many hits is next; `at` is -1 before the first. It goes round. */
export function step(at, by, hits) {
  if (hits === 0) return -1;
  if (at < 0) return by > 0 ? 0 : hits - 1;
  return (at + by + hits) % hits;
}
