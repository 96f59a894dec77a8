// When a container needs attention.
//
// Pure; see problems.js for the shape.

import { count, sentence } from './format.js';
import { exitPhrase } from './exit-codes.js';

/** So many containers with the same trouble get a sentence each; more share one. */
const ONE_BY_ONE = 3;

/** The exit code after SIGKILL: `docker stop` sends it to whatever doesn't end in time. */
const KILLED = 137;

/** Exit codes of a stop that somebody ordered; 143 is a program that doesn't handle it, such as Java. */
const ORDERED = [KILLED, 143];

const OUT_OF_MEMORY = 'Its memory ran out.';

const KINDS = {
  dead: { severity: 'bad', one: 'is dead', many: 'are dead' },
  restarting: { severity: 'bad', one: 'keeps restarting', many: 'keep restarting' },
  unhealthy: { severity: 'bad', one: 'is unhealthy', many: 'are unhealthy' },
  starved: { severity: 'warning', one: 'was killed when its memory ran out', many: 'were killed when their memory ran out' },
  failed: { severity: 'warning', one: 'has stopped with an error', many: 'have stopped with an error' },
  short: { severity: 'warning', one: 'runs short of memory', many: 'run short of memory' },
};

/** The problems in a `docker_status` reading. */
export function containerProblems({ engine, containers }) {
  const troubles = new Map();
  for (const container of containers ?? []) {
    const kind = trouble(container)?.kind;
    if (kind) troubles.set(kind, [...(troubles.get(kind) ?? []), container]);
  }
  const found = [...troubles].flatMap(([kind, members]) =>
    members.length > ONE_BY_ONE ? [several(kind, members)] : members.map((one) => single(kind, one)),
  );
  return [...engineProblems(engine ?? {}), ...found];
}

function engineProblems({ status, message }) {
  if (status === undefined || status === 'ok') return [];
  const what = status === 'permission_denied' ? 'takpulse may not read Docker:' : 'Docker cannot be reached:';
  return [{ key: 'engine', severity: 'warning', what, detail: message }];
}

function single(kind, container) {
  const { severity, one } = KINDS[kind];
  const { detail, since } = trouble(container);
  return { key: `${kind}-${container.id}`, severity, what: `Container ${container.name} ${one}.`, detail, since };
}

function several(kind, members) {
  const { severity, many } = KINDS[kind];
  const first = members.slice(0, ONE_BY_ONE).map((container) => container.name);
  const detail = `${first.join(', ')} and ${members.length - ONE_BY_ONE} more.`;
  return { key: kind, severity, what: `${members.length} containers ${many}:`, detail };
}

/** What is wrong with a container, if anything: `{kind, severity, detail?, since?}`; `since` is Unix time. */
export function trouble(container) {
  const found = diagnose(container);
  return found && { severity: KINDS[found.kind].severity, ...found };
}

function diagnose(container) {
  const { state, health, exit_code: code, oom_killed: oom } = container;
  if (state === 'dead') return { kind: 'dead' };
  if (state === 'restarting' || container.restart_loop) return { kind: 'restarting', detail: restarts(container) };
  if (health === 'unhealthy' && state === 'running') {
    const said = container.health_output;
    return { kind: 'unhealthy', detail: said ? `Its own health check fails: “${said}”` : 'Its own health check fails.' };
  }
  if (state === 'running' && oom) return { kind: 'short', detail: 'The kernel has killed a process in it, as its memory ran out.' };
  if (state !== 'exited' || !(oom || (code > 0 && !ORDERED.includes(code)))) return undefined;
  const since = container.finished_at;
  // Where the engine's own words are all there is.
  const ago = since === undefined ? /\) (.+ ago)$/.exec(container.status ?? '')?.[1] : undefined;
  const said = [sentence(exitPhrase(code)), ago].filter(Boolean).join(', ');
  return { kind: oom ? 'starved' : 'failed', detail: said && `${said}.`, since };
}

/** How often it restarts, and why it ended the last time. */
function restarts({ restarts_recent: recent, restart_count: all, status, exit_code: code, oom_killed: oom }) {
  const times = recentRestarts(recent) ?? (all > 0 ? `Restarted ${count(all, 'time')}.` : status);
  const why = oom ? OUT_OF_MEMORY : exitPhrase(code) && `Last ended with ${exitPhrase(code)}.`;
  return [times, why].filter(Boolean).join(' ');
}

const recentRestarts = (recent) => (recent > 0 ? `Restarted ${count(recent, 'time')} in the last 10 minutes.` : undefined);

/** What is to be said beside a container's name: `{kind, text}`, if anything. */
export function noteOf(container) {
  const found = trouble(container);
  if (found?.detail) return { kind: found.severity, text: found.detail };
  const text = recentRestarts(container.restarts_recent);
  return text && { kind: 'warning', text };
}

/** Whether a container was killed, as far as is known by whoever stopped it. */
export const wasKilled = ({ state, exit_code: code, oom_killed: oom }) => state === 'exited' && code === KILLED && !oom;
