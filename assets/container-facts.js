// What is told of one container when somebody looks at it: the report's figures and the engine's details.
//
// Pure. Either may be absent (an older takpulse, a container that is gone); a fact that is not there is left out.

import { figuresOf } from './container-figures.js';
import { ago, bytes, count, day, timeOfDay } from './format.js';
import { exitWords } from './exit-codes.js';

/** As many mounts are listed. */
const MOUNTS = 50;

const at = (seconds) => (Number.isFinite(seconds) ? `${day(seconds)}, ${timeOfDay(seconds)}` : undefined);

/** `[{name, value?, why?, kind?, title?}]`. */
export function factsOf(one, details, missing, now) {
  const known = [...(one ? figureFacts(one, missing, now) : []), ...stateFacts(one ?? {}, details ?? {}, now), ...placeFacts(one ?? {}, details ?? {})];
  return known.filter(({ value, why }) => value || why);
}

function figureFacts(one, missing, now) {
  if (!one.running) return [];
  const { cpu, memory, network, block, pids, up } = figuresOf(one, missing, now);
  const limit = bytes(one.memory_limit_bytes);
  const of = memory.text && limit ? { ...memory, text: `${memory.text} of ${limit}` } : memory;
  const named = { Up: { ...up, title: `since ${at(one.started_at)}` }, CPU: cpu, Memory: of, 'Net in / out': network, 'Disk read / written': block, Processes: pids };
  return Object.entries(named).map(([name, { text: value, why, title }]) => ({ name, value, why, title }));
}

function stateFacts(one, details, now) {
  const { running, finished_at: end, exit_code: code, restart_count: all, restarts_recent: recent } = one;
  const exit = [code, exitWords(code)].filter((part) => part !== undefined).join(': ');
  const times = [all > 0 && count(all, 'time'), recent > 0 && `${recent} in the last 10 minutes`].filter(Boolean).join(', ');
  return [
    { name: 'Ended', value: running ? undefined : (ago(now - end) ?? at(end)), title: at(end) },
    { name: 'Exit code', value: running ? undefined : exit, kind: code > 0 ? 'warning' : undefined },
    { name: 'Health', value: one.health },
    { name: 'Restarted', value: times, kind: one.restart_loop ? 'bad' : recent > 0 ? 'warning' : undefined },
    { name: 'Restart policy', value: details.restart_policy },
    { name: 'Created', value: at(details.created_at ?? one.created_at) },
  ];
}

function placeFacts(one, details) {
  const { networks = [], network_mode: mode, mounts = [], mounts_total: total = mounts.length } = details;
  const lines = mounts.slice(0, MOUNTS).map(mountLine);
  if (total > lines.length) lines.push(`and ${total - lines.length} more`);
  return [
    { name: 'Image', value: details.image ?? one.image },
    { name: 'Image digest', value: details.image_digest ?? one.image_digest },
    { name: 'Image id', value: details.image_id ?? one.image_id },
    { name: 'Project', value: [one.project, one.service && `service ${one.service}`].filter(Boolean).join(', ') },
    { name: 'Ports', value: one.ports?.join('\n') },
    { name: 'Networks', value: networks.map(({ name, address }) => [name, address].filter(Boolean).join(' ')).join('\n') || mode },
    { name: 'Mounts', value: lines.join('\n') },
    { name: 'Id', value: details.id ?? one.id },
  ];
}

function mountLine({ kind, source, destination, read_only: fixed }) {
  return `${destination} ← ${[kind, source].filter(Boolean).join(' ')}${fixed ? ', read only' : ''}`;
}

/** The last probes, newest first: `[{key, kind, name, message}]`. */
export function probesOf(details) {
  const probes = [...(details?.health_log ?? [])].reverse();
  return probes.map(({ at: time, exit_code: code, output }) => {
    const [kind, word] = code === undefined ? ['unknown', 'outcome not known'] : code === 0 ? ['ok', 'passed'] : ['bad', `failed with ${code}`];
    return { key: time, kind, name: [timeOfDay(time), word].filter(Boolean).join(', '), message: output || 'It said nothing.' };
  });
}
