// The containers panel: one row each, grouped by Compose project.
//
// A row stays the same element as long as its container does, and is written to only where a figure
// changed: two hundred of them must not make a phone warm.

import { Panel } from './panel.js';
import { fields, follow, setPill, setText, setValue, stamp } from './dom.js';
import { bytes, count, percent, ratePair, span, spanShort } from './format.js';
import { containerState } from './words.js';
import { trouble, wasKilled } from './container-problems.js';

export class ContainersPanel extends Panel {
  show({ engine, containers }, now) {
    const { about, table, empty, summary } = this.parts;
    const ok = engine?.status === 'ok' || engine?.status === undefined;
    this.showNotice(ok ? engine?.message : (engine.message ?? 'Docker cannot be read.'));
    setText(about, engine?.version ? `Docker ${engine.version}` : '');
    const all = containers ?? [];
    table.hidden = all.length === 0;
    empty.hidden = !ok || all.length > 0;
    setText(empty, containers ? 'No containers on this machine.' : 'The list of containers is not known yet.');
    follow(summary, summarise(all), (part) => part.word, () => stamp('pill'), updateSummary);
    const groups = grouped(all);
    follow(table, groups, (group) => group.name, createGroup, (body, group) => {
      body.head.hidden = groups.length === 1 && group.name === '';
      setText(body.parts.name, group.name || 'without a project');
      follow(body, group.containers, (one) => one.id, createRow, (row, one) => updateRow(row, one, now));
    });
  }
}

/** `[{name, containers}]`, as the report sorts them: by project, those without one last. Pure. */
export function grouped(containers) {
  const groups = new Map();
  for (const container of containers) {
    const name = container.project ?? '';
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(container);
  }
  return [...groups].map(([name, members]) => ({ name, containers: members }));
}

/** The counts beside the heading: `[{kind, word}]`. Pure. */
export function summarise(containers) {
  const counts = new Map();
  for (const container of containers) {
    const { kind, word } = stateOf(container);
    const seen = counts.get(word) ?? { kind, number: 0 };
    counts.set(word, { kind, number: seen.number + 1 });
  }
  const order = ['bad', 'warning', 'ok', 'idle'];
  return [...counts]
    .map(([word, { kind, number }]) => ({ kind, word: `${number} ${word}` }))
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

/** A container's state: `{kind, word}`. Pure. */
export function stateOf(container) {
  const { state, health } = container;
  const bad = trouble(container)?.kind;
  if (bad === 'unhealthy') return { kind: 'bad', word: 'unhealthy' };
  if (bad === 'failed') return { kind: 'warning', word: 'failed' };
  if (bad) return { kind: 'bad', word: bad };
  if (state === 'running') return health === 'starting' ? { kind: 'idle', word: 'starting' } : { kind: 'ok', word: 'running' };
  if (state === 'paused') return { kind: 'warning', word: 'paused' };
  if (wasKilled(container)) return { kind: 'idle', word: 'killed' };
  return { kind: state ? 'idle' : 'unknown', word: containerState(state) ?? 'not known' };
}

function createGroup() {
  const body = stamp('group');
  body.parts = fields(body);
  body.head = body.firstElementChild;
  return body;
}

function createRow() {
  const row = stamp('container');
  row.parts = fields(row);
  return row;
}

function updateRow(row, one, now) {
  const { name, state, health, image, cpu, memory, network, up } = row.parts;
  setValue(name, one.name || undefined, 'This container has no name.', titleOf(one));
  const { kind, word } = stateOf(one);
  setPill(state, kind, word, one.status);
  setValue(health, one.health, one.running ? 'This container has no health check.' : 'It is not running.');
  setValue(image, one.image || undefined, 'Its image is not known.', one.image);
  const why = one.running ? 'Not known yet: rates need two readings.' : 'It is not running.';
  setValue(cpu, percent(one.cpu_percent), why, 'Of one core: 200 % is two cores fully used');
  const limit = bytes(one.memory_limit_bytes);
  setValue(memory, bytes(one.memory_bytes), why, limit && `of at most ${limit}`);
  const rates = ratePair(one.network_rx_bytes_per_s, one.network_tx_bytes_per_s);
  setValue(network, rates, one.running ? 'Not known: it shares the host’s network, or rates need two readings.' : why);
  const seconds = one.running && now !== undefined ? now - one.started_at : undefined;
  setValue(up, spanShort(seconds), one.running ? 'When it was started is not known.' : why, span(seconds));
}

/** All that doesn't fit into the row. */
function titleOf({ name, status, ports, restart_count: restarts }) {
  const lines = [name, status, ports?.join(', '), restarts > 0 && `restarted ${count(restarts, 'time')}`];
  return lines.filter(Boolean).join('\n');
}

function updateSummary(pill, { kind, word }) {
  setPill(pill, kind, word);
}
