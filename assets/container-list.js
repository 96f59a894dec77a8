// The containers put into words, in groups and in order.
//
// Pure.

import { containerState } from './words.js';
import { noteOf, trouble, wasKilled } from './container-problems.js';
import { matching, ordered } from './order.js';

const RANKS = ['bad', 'warning', 'ok', 'idle', 'unknown'];

/** Bad comes first, what gives a warning next; the rest is alike. */
const urgency = (one) => Math.min(2, RANKS.indexOf(worstOf(one)));

function worstOf(one) {
  const { kind } = stateOf(one);
  return kind === 'bad' ? kind : noteOf(one) ? noteOf(one).kind : kind;
}

/** Both ways together; `undefined` unless both are known. */
function traffic({ network_rx_bytes_per_s: into, network_tx_bytes_per_s: out }) {
  return Number.isFinite(into) && Number.isFinite(out) ? into + out : undefined;
}

/** How the list can be sorted, and which way round first: whoever asks for CPU wants the busiest. */
export const ORDERS = {
  attention: { of: urgency },
  name: { of: ({ name }) => name },
  image: { of: ({ image }) => image },
  cpu: { of: ({ cpu_percent: cpu }) => cpu, down: true },
  memory: { of: ({ memory_bytes: memory }) => memory, down: true },
  network: { of: traffic, down: true },
  // The later it was started, the shorter it is up.
  up: { of: ({ running, started_at: at }) => (running && Number.isFinite(at) ? -at : undefined) },
};

/** What can be picked out. */
const PICKS = {
  all: () => true,
  running: ({ running }) => running === true,
  stopped: ({ running }) => running !== true,
  attention: (one) => urgency(one) < 2,
};

/** How many each pick has: `{all, running, stopped, attention}`. */
export function counts(containers) {
  return Object.fromEntries(Object.entries(PICKS).map(([name, is]) => [name, containers.filter(is).length]));
}

/** Those that are picked, and in whose name, image, project or service all these words are found. */
export function found(containers, pick, text) {
  const picked = containers.filter(PICKS[pick] ?? PICKS.all);
  return matching(picked, text, ({ name, image, project, service, id }) => [name, image, project, service, id]);
}

export function sorted(containers, { column, down }) {
  const { of } = ORDERS[column] ?? ORDERS.attention;
  return ordered(containers, { of, down, nameOf: ({ name }) => name, keyOf: ({ id }) => id });
}

/**
 * `[{name, containers}]`, projects by name, those without one last; within a group the order stays. When
 * what needs attention comes first, so do the projects in which something does.
 */
export function grouped(containers, { column } = {}) {
  const groups = new Map();
  for (const container of containers) {
    const name = container.project ?? '';
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(container);
  }
  const all = [...groups].map(([name, members]) => ({ name, containers: members }));
  const worst = ({ containers: members }) => (column === 'attention' ? Math.min(...members.map(urgency)) : 0);
  const projects = ordered(all.filter(({ name }) => name !== ''), { of: worst, nameOf: ({ name }) => name, keyOf: ({ name }) => name });
  return [...projects, ...all.filter(({ name }) => name === '')];
}

/** The counts beside a heading, worst first: `[{kind, word}]`. */
export function summarise(containers) {
  const seen = new Map();
  for (const container of containers) {
    const { kind, word } = stateOf(container);
    seen.set(word, { kind, number: (seen.get(word)?.number ?? 0) + 1 });
  }
  return [...seen]
    .map(([word, { kind, number }]) => ({ kind, word: `${number} ${word}` }))
    .sort((a, b) => RANKS.indexOf(a.kind) - RANKS.indexOf(b.kind));
}

const WORDS = { unhealthy: 'unhealthy', dead: 'dead', restarting: 'restarting', starved: 'out of memory', failed: 'failed' };

/** A container's state: `{kind, word}`. */
export function stateOf(container) {
  const { state, health } = container;
  const found = trouble(container);
  const word = found && WORDS[found.kind];
  if (word) return { kind: found.severity, word };
  if (state === 'running') return health === 'starting' ? { kind: 'idle', word: 'starting' } : { kind: 'ok', word: 'running' };
  if (state === 'paused') return { kind: 'warning', word: 'paused' };
  if (wasKilled(container)) return { kind: 'idle', word: 'killed' };
  return { kind: state ? 'idle' : 'unknown', word: containerState(state) ?? 'not known' };
}
