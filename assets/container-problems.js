// When a container needs attention.
//
// Pure; see problems.js for the shape.

import { count } from './format.js';

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
  failed: { severity: 'warning', one: 'has stopped with an error', many: 'have stopped with an error' },
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
  const { detail } = trouble(container);
  return { key: `${kind}-${container.id}`, severity, what: `Container ${container.name} ${one}.`, detail };
}

function several(kind, members) {
  const { severity, many } = KINDS[kind];
  const first = members.slice(0, ONE_BY_ONE).map((container) => container.name);
  const detail = `${first.join(', ')} and ${members.length - ONE_BY_ONE} more.`;
  return { key: kind, severity, what: `${members.length} containers ${many}:`, detail };
}

/** What is wrong with a container, if anything: `{kind, detail?}`. */
export function trouble({ state, health, exit_code: code, oom_killed: oom, status, restart_count: restarts }) {
  if (state === 'dead') return { kind: 'dead' };
  if (state === 'restarting') {
    const often = restarts > 0 ? `Restarted ${count(restarts, 'time')}.` : status;
    return { kind: 'restarting', detail: oom ? [often, OUT_OF_MEMORY].filter(Boolean).join(' ') : often };
  }
  if (health === 'unhealthy' && state === 'running') {
    return { kind: 'unhealthy', detail: 'Its own health check fails.' };
  }
  if (state === 'exited' && (oom || (code > 0 && !ORDERED.includes(code)))) {
    const ago = /\) (.+ ago)$/.exec(status ?? '')?.[1];
    const said = [code === undefined ? undefined : `Exit code ${code}`, ago].filter(Boolean).join(', ');
    return { kind: 'failed', detail: [oom && OUT_OF_MEMORY, said && `${said}.`].filter(Boolean).join(' ') };
  }
  return undefined;
}

/** Whether a container was killed, as far as is known by whoever stopped it. */
export const wasKilled = ({ state, exit_code: code, oom_killed: oom }) => state === 'exited' && code === KILLED && !oom;
