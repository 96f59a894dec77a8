// A container's figures as they are read, and why one of them is a dash.
//
// Pure.

import { bytes, percent, ratePair, span } from './format.js';

const NAMES = { cpu: 'CPU', memory: 'Memory', block: 'Disk use', network: 'Network use', pids: 'The number of processes' };

const YET = 'Not known yet: rates need two readings.';

/**
 * `{cpu, memory, network, block, pids, up}`, each `{text?, why, title?}`; `missing` is what this machine can't
 * tell of any container.
 */
export function figuresOf(one, missing = [], now) {
  const lacks = (figure) => missing.find((lack) => lack.figure === figure)?.message;
  const why = (figure, otherwise) => (one.running ? (lacks(figure) ?? otherwise) : 'It is not running.');
  const limit = bytes(one.memory_limit_bytes);
  const seconds = one.running && now !== undefined ? now - one.started_at : undefined;
  return {
    cpu: { text: percent(one.cpu_percent), why: why('cpu', YET), title: 'Of one core: 200 % is two cores fully used' },
    memory: { text: bytes(one.memory_bytes), why: why('memory', YET), title: limit && `of at most ${limit}` },
    network: {
      text: ratePair(one.network_rx_bytes_per_s, one.network_tx_bytes_per_s),
      why: why('network', 'Not known: it shares the host’s network, or rates need two readings.'),
    },
    block: { text: ratePair(one.block_read_bytes_per_s, one.block_write_bytes_per_s), why: why('block', YET) },
    pids: { text: one.pids === undefined ? undefined : String(one.pids), why: why('pids', 'It is not told.') },
    up: { text: span(seconds), why: one.running ? 'When it was started is not known.' : 'It is not running.' },
  };
}

/** What this machine can't tell, said once with what to do: `[{key, kind, name, message}]`. */
export function hintsOf(missing = []) {
  return missing.map(({ figure, message }) => ({ key: figure, kind: 'unknown', name: `${NAMES[figure] ?? figure} cannot be told here:`, message }));
}
