// When a host's figure is worth a sentence: the limits, and what to do.
//
// Pure; see problems.js for the shape. The limits are those that operators of TAK servers use.

import { bytes, celsius, count, load, percent } from './format.js';

/** File systems of images that are full by nature. */
const IMAGES = ['squashfs', 'iso9660', 'erofs', 'cramfs'];

const SET_THE_CLOCK = 'Certificates and reports depend on the right time: connect a time source (NTP or GPS).';

/** The problems in a `system_metrics` reading. */
export function hostProblems({ message, disks, memory, temperatures, cpu, pressure, power, clock }) {
  return [
    message && warning('host-message', 'The host cannot be read completely:', message),
    ...(disks ?? []).map(diskProblem),
    at(memory?.percent, 90, 95, 'memory', () => [
      `Memory is ${percent(memory.percent)} full`,
      remaining(memory.available_bytes),
    ]),
    at(pressure?.memory?.full_avg10_percent, 20, 50, 'memory-pressure', (share) => [
      'Memory is too small for what runs here:',
      `programs stand still ${percent(share)} of the time.`,
    ]),
    heatProblem(temperatures),
    loadProblem(cpu),
    powerProblem(power),
    clock?.synchronized === false && warning('clock', 'The clock is not synchronized.', SET_THE_CLOCK),
  ].filter(Boolean);
}

const warning = (key, what, detail) => ({ key, severity: 'warning', what, detail });

/** A problem once a value reaches the first limit, a bad one from the second on. */
function at(value, warnAt, badAt, key, say) {
  if (!(value >= warnAt)) return undefined;
  const [what, detail] = say(value);
  return { key, severity: value >= badAt ? 'bad' : 'warning', what, detail };
}

const remaining = (left) => (left === undefined ? undefined : `(${bytes(left)} left).`);

function diskProblem({ mount, filesystem, percent: used, available_bytes: left }) {
  if (IMAGES.includes(filesystem)) return undefined;
  return at(used, 80, 90, `disk-${mount}`, () => [`Disk ${mount} is ${percent(used)} full`, remaining(left)]);
}

function heatProblem(temperatures) {
  const known = (temperatures ?? []).filter((sensor) => Number.isFinite(sensor.celsius));
  const [hottest] = known.sort((a, b) => b.celsius - a.celsius);
  return at(hottest?.celsius, 80, 90, 'temperature', (degrees) => [
    `It is hot: ${celsius(degrees)} °C`,
    `(${hottest.label}). A hot processor slows down.`,
  ]);
}

function loadProblem(cpu) {
  // Five minutes: a burst of work is no problem.
  const [, five] = cpu?.load_average ?? [];
  return at(five / cpu?.cores, 2, 4, 'load', () => [
    'The processor has more to do than it can:',
    `load ${load(five)} over five minutes, on ${count(cpu.cores, 'core')}.`,
  ]);
}

function powerProblem(power) {
  if (power?.under_voltage === true) {
    const detail = 'Use a stronger supply or a shorter cable: low voltage damages memory cards.';
    return { key: 'power', severity: 'bad', what: 'The power supply is too weak.', detail };
  }
  if (power?.source !== 'battery') return undefined;
  return at(100 - power.battery_percent, 80, 90, 'battery', () => [
    `The battery is down to ${percent(power.battery_percent)}`,
    'and nothing charges it.',
  ]);
}
