// The layer strip: where a TAK server breaks, the first red box being the place to look.
//
// A server is looked at on several ports; equal layers share a box, so that the strip stays a strip.
// What a failing layer means, and what to do, stands below it in words.

import { createReason, fields, follow, setAttribute, setIcon, setText, stamp, updateReason } from './dom.js';
import { count, latency, listed } from './format.js';
import { layerName, layerRank } from './words.js';
import { places } from './places.js';

const kindOf = ({ ok }) => (ok === true ? 'ok' : ok === false ? 'bad' : 'unknown');

/** A list's members by key, in their order. Pure. */
function grouped(list, keyOf) {
  const groups = new Map();
  for (const one of list) {
    const key = keyOf(one);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(one);
  }
  return [...groups.values()];
}

/** The boxes of one server's checks: `[{key, name, kind, word, detail, title}]`. Pure. */
export function layersOf(checks) {
  return grouped(checks, ({ name }) => name)
    .sort(([a], [b]) => (layerRank(a.name) === layerRank(b.name) ? 0 : layerRank(a.name) - layerRank(b.name)))
    .map(box);
}

function box(members) {
  const [{ name: key }] = members;
  const of = (kind) => members.filter((check) => kindOf(check) === kind);
  const kind = ['bad', 'ok'].find((one) => of(one).length > 0) ?? 'unknown';
  const those = of(kind);
  const line = (check) => [check.target, latency(check.latency_ms), check.message].filter(Boolean).join(', ');
  return {
    key,
    name: layerName(key) ?? '',
    kind,
    word: wordOf(kind, those, members.length),
    detail: places(those.map(({ target }) => target)).join(', '),
    title: [layerName(key), ...members.map(line)].filter(Boolean).join('\n'),
  };
}

function wordOf(kind, those, all) {
  const some = those.length < all ? `${those.length} of ${all} ` : '';
  if (kind === 'bad') return `${some}failed`;
  if (kind === 'unknown') return 'not known';
  const times = those.map((check) => check.latency_ms).filter(Number.isFinite);
  // The slowest: users wait for that one.
  const time = times.length > 0 ? latency(Math.max(...times)) : undefined;
  return [`${some}ok`, time].filter(Boolean).join(', ');
}

/**
 * Why layers fail, and why others are not known: `{failed, unknown}`, each `[{key, kind, name, message}]`.
 * What several layers or ports say alike is said once; `told` has been said above already. Pure.
 */
export function reasonsOf(checks, told = []) {
  const open = checks.filter((check) => check.ok !== true && check.message && !told.includes(check.message));
  const ranked = open.sort((a, b) => (layerRank(a.name) === layerRank(b.name) ? 0 : layerRank(a.name) - layerRank(b.name)));
  const all = grouped(ranked, (check) => `${kindOf(check)} ${check.message}`).map((members) => {
    const names = [...new Set(members.map(({ name }) => layerName(name)))];
    const where = places(members.map(({ target }) => target)).join(', ');
    const [{ message }] = members;
    return { key: `${names} ${where}`, kind: kindOf(members[0]), names, name: `${listed(names)} (${where}):`, message };
  });
  return { failed: all.filter(({ kind }) => kind === 'bad'), unknown: all.filter(({ kind }) => kind === 'unknown') };
}

/** Draws them into the parts of a server's block. */
export function showLayers({ layers, reasons, fold, why, unknown }, checks, told) {
  follow(layers, layersOf(checks), ({ key }) => key, createLayer, updateLayer);
  const found = reasonsOf(checks, told);
  follow(reasons, found.failed, ({ key }) => key, createReason, updateReason);
  fold.hidden = found.unknown.length === 0;
  const names = new Set(found.unknown.flatMap((reason) => reason.names));
  setText(why, `Why ${count(names.size, 'layer is', 'layers are')} not known`);
  follow(unknown, found.unknown, ({ key }) => key, createReason, updateReason);
}

function createLayer() {
  const row = stamp('layer');
  row.parts = fields(row);
  return row;
}

function updateLayer(row, { kind, name, word, detail, title }) {
  const parts = row.parts;
  setAttribute(row, 'data-kind', kind);
  setIcon(parts.icon, kind);
  setText(parts.name, name);
  setText(parts.word, word);
  setText(parts.detail, detail);
  setAttribute(row, 'title', title);
}
