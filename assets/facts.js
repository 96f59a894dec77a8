// The host's smaller facts, one line each: load, swap, pressure, power, clock.
//
// Pure. A fact that a machine can't have (no swap, no battery) is left out; one that it should have
// but doesn't tell is a dash with a reason.

import { bytes, load, percent } from './format.js';

/** `[{name, value?, why?, kind?, title?}]` of a `system_metrics` reading. */
export function facts({ cpu, memory, pressure, power, clock }) {
  const found = [
    {
      name: 'Load',
      value: cpu?.load_average?.map(load).join(' · '),
      why: 'This machine does not tell its load.',
      title: 'Programs that run or wait to run, averaged over 1, 5 and 15 minutes',
    },
  ];
  if (memory?.swap_total_bytes > 0) {
    const used = bytes(memory.swap_used_bytes) ?? '–';
    found.push({ name: 'Swap', value: `${used} of ${bytes(memory.swap_total_bytes)}` });
  }
  if (pressure) found.push(pressureFact(pressure));
  if (power) found.push(powerFact(power));
  found.push(clockFact(clock));
  return found;
}

function pressureFact(pressure) {
  const stalls = [
    ['CPU', pressure.cpu],
    ['memory', pressure.memory],
    ['disk', pressure.io],
  ].filter(([, stall]) => Number.isFinite(stall?.some_avg10_percent));
  const worst = Math.max(0, ...stalls.map(([, stall]) => stall.full_avg10_percent ?? 0));
  return {
    name: 'Waiting',
    value: stalls.map(([what, stall]) => `${what}\u00a0${percent(stall.some_avg10_percent)}`).join(' · ') || undefined,
    why: 'The kernel does not tell its pressure.',
    title: 'Share of the last 10 seconds in which some program had to wait for this',
    kind: worst >= 20 ? 'warning' : undefined,
  };
}

function powerFact({ source, battery_percent: charge, charging, under_voltage: weak }) {
  const words = [
    { ac: 'mains', battery: 'battery' }[source],
    charge !== undefined && `${percent(charge)} charged`,
    charging && 'charging',
    weak && 'voltage too low',
  ];
  const low = source === 'battery' && charge <= 20;
  return {
    name: 'Power',
    value: words.filter(Boolean).join(', ') || undefined,
    why: 'The machine does not tell what feeds it.',
    kind: weak ? 'bad' : low ? 'warning' : undefined,
  };
}

function clockFact(clock) {
  const error = clock?.max_error_ms;
  const known = clock?.synchronized !== undefined;
  return {
    name: 'Clock',
    value: known ? (clock.synchronized ? 'synchronized' : 'not synchronized') : undefined,
    why: 'The kernel does not tell whether the clock is right.',
    title: Number.isFinite(error) ? `at most ${error.toFixed(0)} ms off` : undefined,
    kind: clock?.synchronized === false ? 'warning' : undefined,
  };
}
