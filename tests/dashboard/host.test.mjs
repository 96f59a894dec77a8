// Promise: the host's figures are the machine's own, each byte counted once.

import assert from 'node:assert/strict';
import test from 'node:test';

import { HostPanel, total } from '../../assets/host.js';
import { part } from './page.mjs';

const carries = (name, rate, part_of) => ({ interface: name, rx_bytes_per_s: rate, tx_bytes_per_s: rate, part_of });
const names = (interfaces) => interfaces.map((one) => one.interface).join(' ');

test('what goes through a bridge or a bond is not counted again for its ports', () => {
  const { into, out, interfaces, parts } = total([carries('eth0', 7, 'br0'), carries('br0', 7), carries('eth1', 5)]);
  assert.deepEqual([into, out], [12, 12]);
  assert.equal(names(interfaces), 'br0 eth1');
  assert.equal(names(parts), 'eth0');
});

test('a port whose upper interface is not listed counts itself', () => {
  assert.equal(total([carries('eth0', 7, 'br9'), carries('wg0', 6)]).into, 7);
  assert.equal(total([carries('eth0', 7, 'tap0'), carries('tap0', 7)]).into, 7, 'the tunnel is left out');
});

test('tunnels count only where there is nothing else, and what is not known makes no sum', () => {
  assert.equal(total([carries('wg0', 6)]).into, 6);
  assert.equal(total([carries('eth0', undefined)]).into, undefined);
  assert.equal(total(undefined).into, undefined);
});

test('another machine does not get this one’s name', () => {
  const section = part('about', 'name', 'cpuLine', 'memoryLine', 'networkLine', 'temperatureLine');
  const panel = new HostPanel(section);
  const { about, name, cpuLine } = section.parts;
  about.textContent = 'Debian, up 3 d';
  about.setAttribute('title', 'box, kernel 6');
  name.textContent = 'box';
  for (const timestamp of [0, 60]) panel.note({ timestamp, cpu: { percent: 5 } });
  assert.notEqual(cpuLine.getAttribute('d'), '');
  panel.clear();
  assert.deepEqual([about.textContent, about.hasAttribute('title'), name.textContent], ['', false, '']);
  assert.equal(cpuLine.getAttribute('d'), '');
});
