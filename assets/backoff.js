// How long to wait before the next attempt to reach the server.
//
// Jitter is not decoration: when a server restarts, all its viewers lose it in the same moment,
// and without jitter they would all come back in the same moment too.

/** The longest wait between two attempts, in seconds. */
export const MAX_SECONDS = 30;

/**
 * Seconds to wait after this many failures in a row beyond the first.
 *
 * The ceiling doubles from 2 s to 30 s, and the wait lies in its upper half: 1 to 2 s, 2 to 4 s, ...
 * `random` is in 0..1.
 */
export function backoff(failures, random = Math.random()) {
  const ceiling = Math.min(MAX_SECONDS, 2 ** (Math.max(0, failures) + 1));
  return ceiling * (0.5 + random / 2);
}
