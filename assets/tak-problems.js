// What is wrong with the TAK server, layer by layer, and which certificates end.
//
// Pure; see problems.js for the shape.

import { certificateProblems, concernsServer, ending } from './certificate-problems.js';
import { layerName } from './words.js';
import { places } from './places.js';

/** The checks that a certificate's own sentence replaces. */
const EXPIRY_CHECKS = ['certificate', 'client_certificate'];

/** As many places where a layer fails get a sentence each; more share one. */
const ONE_BY_ONE = 2;

/** Where “X” fails would not say what is wrong. */
const FAULTS = {
  log: 'The TAK server’s log tells of trouble:',
  restarts: 'The TAK server does not stay up:',
  canary: 'A test message did not arrive:',
  configuration: 'The TAK server’s configuration has a fault:',
};

/** The problems in a `tak_status` reading. */
export function takProblems({ status, message, checks, certificates, servers }) {
  const soon = ending(certificates);
  // A certificate that ends is told with its days; once is enough.
  const told = ({ name, target }) => EXPIRY_CHECKS.includes(name) && soon.some((one) => one.places.includes(target));
  const all = (checks ?? []).filter((check) => !told(check));
  const found = certificateProblems(soon);
  const names = [...new Set([...(checks ?? []).map(({ server }) => server), ...(servers ?? []).map(({ name }) => name)])];
  if (names.length > 1) {
    const of = (server) => all.filter((check) => check.server === server);
    const each = names.flatMap((server) => serverProblems(server, of(server), { message, servers, soon }));
    if (each.length > 0) return [...each, ...found];
  }
  if (status === 'down') {
    // Every layer fails then: one sentence says it.
    return [bad('tak-down', 'The TAK server is down:', message ?? all.filter(failed).map(reason).join(' ')), ...found];
  }
  const layers = layerProblems(all);
  return [...layers, ...stateProblems({ status, message }, layers.length > 0 || soon.some(concernsServer)), ...found];
}

/** What a server's state says, unless something else has explained it. */
function stateProblems({ status, message, name }, explained) {
  const server = name ? `The TAK server “${name}”` : 'The TAK server';
  const key = name ? `-${name}` : '';
  if (status === undefined && message) {
    const what = name ? `The state of the TAK server “${name}” is not known:` : 'The TAK server’s state is not known:';
    return [{ key: `tak-unknown${key}`, severity: 'warning', what, detail: message }];
  }
  return status === 'degraded' && !explained ? [bad(`tak-degraded${key}`, `${server} is not well:`, message)] : [];
}

const bad = (key, what, detail) => ({ key, severity: 'bad', what, detail });

const failed = (check) => check.ok === false;

/**
 * One of several servers. Where the report tells of each, it says which ones are down; else that is seen
 * from the layers, takpulse's own certificate being none of them.
 */
function serverProblems(server, checks, { message, servers, soon }) {
  const told = servers?.find(({ name }) => name === server);
  const layers = checks.filter((check) => check.name !== 'client_certificate');
  const faults = layers.filter(failed);
  const down = told ? told.status === 'down' : faults.length > 0 && !layers.some((check) => check.ok === true);
  if (!down) {
    const found = layerProblems(checks);
    const explained = found.length > 0 || soon.some((one) => one.server === server && concernsServer(one));
    return [...found, ...(told ? stateProblems(told, explained) : [])];
  }
  // The report's message is about the worst server, and names it.
  const own = server && message?.startsWith(`${server}: `) ? message.slice(server.length + 2) : undefined;
  const what = server ? `The TAK server “${server}” is down:` : 'The TAK server is down:';
  const detail = told?.message || own || (faults.length > 0 ? reason(faults[0]) : undefined);
  return [bad(`tak-down-${server ?? ''}`, what, detail), ...layerProblems(checks.filter((check) => !layers.includes(check)))];
}

/** Each layer that fails; one that fails in many places, once. */
function layerProblems(checks) {
  const layers = new Map();
  for (const check of checks.filter(failed)) {
    const key = `${check.server} ${check.name}`;
    layers.set(key, [...(layers.get(key) ?? []), check]);
  }
  return [...layers.values()].flatMap((members) => (members.length > ONE_BY_ONE ? [folded(members)] : members.map(layerProblem)));
}

function layerProblem(check) {
  return bad(`tak-check-${titleOf(check)}-${check.target}`, faultOf(check), reason(check));
}

function folded(members) {
  const [first, ...others] = members;
  const rest = places(others.map(({ target }) => target)).join(', ');
  return bad(`tak-check-${titleOf(first)}`, faultOf(first), `${reason(first)} The same layer fails on ${rest}.`);
}

const titleOf = ({ server, name }) => [server, layerName(name)].filter(Boolean).join(', ');

function faultOf(check) {
  const fault = FAULTS[check.name];
  if (fault) return check.server ? `${check.server}: ${fault.charAt(0).toLowerCase()}${fault.slice(1)}` : fault;
  return `TAK server: “${titleOf(check)}” fails:`;
}

/** What a check said; its target too, unless that is part of it. */
function reason({ target, message }) {
  return message?.includes(target) ? message : [target, message].filter(Boolean).join(': ');
}
