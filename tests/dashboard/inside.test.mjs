// Promise: what a server tells of its inside is shown with words for what is nearly full; what it does
// not tell is not shown at all.

import assert from 'node:assert/strict';
import test from 'node:test';

import { fields } from '../../assets/dom.js';
import { figures, tells } from '../../assets/inside-figures.js';
import { InsidePanel } from '../../assets/inside.js';
import { document, lines } from './document.mjs';

const plain = (text) => text?.replaceAll('\u00a0', ' ');
const facts = (inside) => figures(inside).facts.map(({ name, value, kind }) => [name, plain(value), kind].filter(Boolean).join(': '));
const bars = (inside) => figures(inside).bars.map(({ name, value, share, kind }) => [name, plain(value), Math.round(share), kind].join(' | '));

test('nothing told is nothing shown', () => {
  assert.equal(tells(undefined), false);
  assert.equal(tells({}), false);
  assert.equal(tells({ database: {}, queues: [], inputs: [], federations: [] }), false);
  for (const inside of [{ uptime_seconds: 0 }, { inputs: [{ name: 'a' }] }, { federations: [{ name: 'a' }] }, { queues: [{ name: 'a', size: 0 }] }]) assert.equal(tells(inside), true);
});

test('facts are what is known, and a database that is gone is bad', () => {
  const database = { connected: true, version: 'PostgreSQL 15', size_bytes: 3.1e9, events: 1234567, max_connections: 100 };
  const all = { uptime_seconds: 531000, cpu_percent: 12.3, messaging_cpu_percent: 7, rx_bytes_per_s: 210e3, tx_bytes_per_s: 0, database };
  assert.deepEqual(facts(all), [
    'Uptime: 6 d 3 h', 'CPU: 12 % API, 7.0 % messaging', 'From clients: 210 kB/s', 'To clients: 0 B/s', 'Database: connected, 3.1 GB',
    'Database version: PostgreSQL 15', 'Stored events: 1,234,567', 'Database connections: at most 100',
  ]);
  assert.deepEqual(facts({ database: { connected: false } }), ['Database: not connected: bad']);
  assert.deepEqual(facts({ cpu_percent: 3 }), ['CPU: 3.0 %']);
  assert.deepEqual(facts({ messaging_cpu_percent: 3 }), ['CPU: 3.0 % messaging']);
});

test('heaps and queues are bars where their end is known', () => {
  const heap = (used, most) => bars({ api_heap_used_bytes: used, api_heap_max_bytes: most })[0];
  assert.equal(heap(1e9, 4e9), 'API heap | 1.0 GB of 4.0 GB, 25 % | 25 | ok');
  assert.equal(heap(3.9e9, 4e9), 'API heap | 3.9 GB of 4.0 GB, nearly full | 98 | warning');
  assert.deepEqual(facts({ messaging_heap_used_bytes: 1e9 }), ['Messaging heap: 1.0 GB used']);
  assert.deepEqual(bars({ messaging_heap_max_bytes: 1e9 }), []);
  const queue = (size, capacity) => bars({ queues: [{ name: 'broker', size, capacity }] })[0];
  assert.equal(queue(0, 1000), 'Broker queue | 0 of 1,000, 0.0 % | 0 | ok');
  assert.equal(queue(800, 1000), 'Broker queue | 800 of 1,000, nearly full | 80 | warning');
  assert.equal(queue(1200, 1000), 'Broker queue | 1,200 of 1,000, full | 100 | bad');
  assert.deepEqual(facts({ queues: [{ name: 'broker', size: 4 }] }), ['Broker queue: 4 waiting']);
});

test('inputs with their rates, links with a word', () => {
  const input = (one) => Object.values(figures({ inputs: [one] }).inputs[0]).map(plain).join(' | ');
  assert.equal(input({ name: 'ssl', protocol: 'tls', port: 8089, clients: 0, messages_per_s: 0.24, rx_bytes_per_s: 900 }), 'ssl | 8089, tls | 0 | 0.2 /s | 900 B/s');
  assert.equal(input({ name: 'ssl', messages_per_s: 1234 }), 'ssl |  |  | 1,234 /s | ');
  const links = [{ name: 'a', connected: true }, { name: 'b', connected: false, message: 'Refused.' }, { name: 'c' }];
  assert.deepEqual(figures({ federations: links }).links.map(({ word, kind }) => `${kind} ${word}`), ['ok connected', 'bad not connected', 'unknown not known']);
});

test('a block for each server; parts that a server does not have are not there', () => {
  const section = document()('inside');
  const panel = new InsidePanel(section);
  const { blocks } = fields(section);
  const inputs = [{ name: 'ssl', port: 8089, clients: 2 }, { name: 'tcp', port: 8087 }];
  panel.show([{ name: 'edge', inside: { uptime_seconds: 60, inputs } }, { name: '', inside: { federations: [{ name: 'county', connected: true, message: 'county:9001' }], api_heap_used_bytes: 1e9, api_heap_max_bytes: 4e9 } }], true);
  assert.deepEqual(lines(blocks), [
    'edge Uptime 1 min Inputs Name Port Clients ssl 8089 2 tcp 8087 –',
    'This machine API heap 1.0 GB of 4.0 GB, 25 % Links to other servers county connected county:9001',
  ]);
  const [, second] = blocks.children;
  assert.equal(fields(fields(second).bars.children[0]).fill.style.width, '25%');
  panel.show([{ name: 'edge', inside: { uptime_seconds: 120 } }], false);
  assert.deepEqual(lines(blocks), ['Uptime 2 min']);
});
