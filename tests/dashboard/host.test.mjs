// Promise: the host's figures are the machine's own, each byte counted once.

import assert from 'node:assert/strict';
import test from 'node:test';

import { total } from '../../assets/host.js';

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
