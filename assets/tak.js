// The TAK panel: what the box is for, and where it breaks.
//
// The checks are layers (running, port, TLS, CoT, API): the first red box is the place to look.

import { Panel } from './panel.js';
import { fields, follow, setAttribute, setIcon, setPill, setText, stamp } from './dom.js';
import { day, daysLeft, latency } from './format.js';
import { certificateRole, layerName, serverName } from './words.js';

const STATUS = {
  healthy: { kind: 'ok', word: 'Healthy' },
  degraded: { kind: 'bad', word: 'Degraded' },
  down: { kind: 'bad', word: 'Down' },
  not_installed: { kind: 'idle', word: 'Not installed' },
};

const NOT_KNOWN = { kind: 'unknown', word: 'Not known' };

const NOT_INSTALLED =
  'No TAK server was found on this machine. If there is one, name it under [[collect.tak.servers]] in config.toml.';

export class TakPanel extends Panel {
  show({ status, flavor, version, checks, certificates, message }) {
    const { about, pill, servers, certificates: list, certificateBox, none } = this.parts;
    const { kind, word } = STATUS[status] ?? NOT_KNOWN;
    setPill(pill, kind, word);
    setText(about, serverName(flavor, version));
    this.showNotice(message ?? (status === 'not_installed' ? NOT_INSTALLED : undefined));
    setAttribute(this.parts.notice, 'data-kind', kind);
    const groups = byServer(checks ?? []);
    follow(servers, groups, (group) => group.server, createServer, (block, group) => {
      block.parts.name.hidden = groups.length === 1;
      setText(block.parts.name, group.server || 'This machine');
      follow(block.parts.layers, group.checks, (check) => `${check.name} ${check.target}`, createLayer, updateLayer);
      const reasons = group.checks.filter((check) => check.ok !== true && check.message && check.message !== message);
      follow(block.parts.reasons, reasons, (check) => `${check.name} ${check.target}`, () => stamp('reason'), updateReason);
    });
    const sorted = [...(certificates ?? [])].sort((a, b) => (a.days_left ?? Infinity) - (b.days_left ?? Infinity));
    certificateBox.hidden = status === 'not_installed' && sorted.length === 0;
    none.hidden = sorted.length > 0;
    follow(list, sorted, (one) => `${one.role} ${one.subject} ${one.source}`, createCertificate, updateCertificate);
  }
}

/** `[{server, checks}]` in the order of the report. Pure. */
export function byServer(checks) {
  const groups = new Map();
  for (const check of checks) {
    const server = check.server ?? '';
    if (!groups.has(server)) groups.set(server, []);
    groups.get(server).push(check);
  }
  return [...groups].map(([server, members]) => ({ server, checks: members }));
}

function createServer() {
  const block = stamp('server');
  block.parts = fields(block);
  return block;
}

function createLayer() {
  const row = stamp('layer');
  row.parts = fields(row);
  return row;
}

const kindOf = ({ ok }) => (ok === true ? 'ok' : ok === false ? 'bad' : 'unknown');

function updateLayer(row, check) {
  const { icon, word, name, detail } = row.parts;
  const kind = kindOf(check);
  const time = latency(check.latency_ms);
  setAttribute(row, 'data-kind', kind);
  setIcon(icon, kind);
  setText(name, layerName(check.name) ?? '');
  setText(word, { ok: time ?? 'ok', bad: 'failed', unknown: 'not known' }[kind]);
  setText(detail, check.target ?? '');
  setAttribute(row, 'title', [layerName(check.name), check.target, time, check.message].filter(Boolean).join('\n'));
}

/** Below the strip: why a layer isn't well, and what to do. */
function updateReason(row, check) {
  const { icon, name, message } = (row.parts ??= fields(row));
  const kind = kindOf(check);
  setAttribute(row, 'data-kind', kind);
  setIcon(icon, kind);
  setText(name, `${layerName(check.name)}:`);
  setText(message, check.message);
}

function createCertificate() {
  const row = stamp('certificate');
  row.parts = fields(row);
  return row;
}

function updateCertificate(row, { role, subject, not_after: end, days_left: left, source }) {
  const { subject: name, role: part, pill } = row.parts;
  setText(name, subject ?? 'without a subject');
  setAttribute(name, 'title', [subject, source].filter(Boolean).join('\n'));
  setText(part, [certificateRole(role), source].filter(Boolean).join(', '));
  setAttribute(part, 'title', part.textContent);
  const kind = !Number.isFinite(left) ? 'unknown' : left <= 7 ? 'bad' : left <= 30 ? 'warning' : 'ok';
  setPill(pill, kind, daysLeft(left) ?? '–', end ? `until ${day(end)}` : 'Its end is not known.');
}
