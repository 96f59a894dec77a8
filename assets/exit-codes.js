// What a program's exit code says of its end.
//
// Pure. The numbers are Docker's own (125 to 127, as its `run` documents them) and the shells' custom of
// 128 + the number of the signal that ended it.

const WORDS = {
  125: 'Docker could not start it',
  126: 'its command cannot be run',
  127: 'its command was not found',
  130: 'interrupted',
  134: 'it gave up',
  137: 'killed',
  139: 'crashed',
  143: 'asked to end',
};

/** Signals end at 64. */
const SIGNALS = [128, 192];

/** `"killed"` for 137; `undefined` where the number says nothing beyond that there was an error. */
export function exitWords(code) {
  const [after, last] = SIGNALS;
  return WORDS[code] ?? (code > after && code <= last ? `ended by signal ${code - after}` : undefined);
}

/** `"exit code 137: killed"`, `"exit code 1"`; `undefined` when there is none. */
export function exitPhrase(code) {
  if (!Number.isInteger(code)) return undefined;
  const words = exitWords(code);
  return words ? `exit code ${code}: ${words}` : `exit code ${code}`;
}
