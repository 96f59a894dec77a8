// Asks the server for something, and says in words why it could not be had.

/** On a link that is slower than this nobody believes any more that an answer comes. */
const PATIENCE_MS = 15_000;

const SLOW = `takpulse has not answered within ${PATIENCE_MS / 1000} s. Try again when the connection is better.`;

const AWAY = 'takpulse cannot be reached. Try again when the connection is back.';

/** Why there is no answer: a sentence, and the server's name for it. */
class Refusal extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/**
 * The JSON of the answer; `undefined` when nobody is signed in.
 *
 * Throws an Error whose message is a sentence, with the server's `code` where it gave one; also when the
 * answer is not whole after 15 s.
 */
export async function ask(path, { signal, ...options } = {}) {
  const limit = AbortSignal.timeout(PATIENCE_MS);
  let answer, text;
  try {
    answer = await fetch(new URL(path, document.baseURI), { cache: 'no-store', ...options, signal: either(signal, limit) });
    text = await answer.text();
  } catch {
    throw new Refusal(limit.aborted ? SLOW : AWAY);
  }
  if (answer.status === 401) return undefined;
  const body = parsed(text);
  if (!answer.ok) throw new Refusal(body?.error?.message ?? `the server answered ${answer.status}.`, body?.error?.code);
  return body;
}

/** Browsers before 2024 cannot join two: there the page's own counts, and the network's patience. */
function either(signal, limit) {
  if (!signal) return limit;
  return AbortSignal.any?.([signal, limit]) ?? signal;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
