// The host panel: is the machine itself well?

import { Panel } from './panel.js';
import { Spark } from './spark.js';
import { fields, follow, setAttribute, setText, setValue, stamp } from './dom.js';
import { bytes, bytesParts, celsius, percent, rate, rateParts, span } from './format.js';
import { facts } from './facts.js';

/** Tunnels: what they carry goes through a real interface as well, and would be counted twice. */
const TUNNEL = /^(tun|tap|wg|tailscale|zt)/;

export class HostPanel extends Panel {
  constructor(section) {
    super(section);
    const { cpuLine, memoryLine, networkLine, temperatureLine } = this.parts;
    this.sparks = {
      cpu: new Spark(cpuLine, { top: 100 }),
      memory: new Spark(memoryLine, { top: 100 }),
      // A few bytes a second are not a peak.
      network: new Spark(networkLine, { floor: 100e3 }),
      temperature: new Spark(temperatureLine, { top: 100 }),
    };
  }

  clear() {
    super.clear();
    for (const spark of Object.values(this.sparks)) spark.clear();
  }

  /** Adds a reading to the lines; every reading, also those that come while the page is hidden. */
  note({ timestamp, cpu, memory, network, temperatures }) {
    const traffic = total(network);
    this.sparks.cpu.add(timestamp, cpu?.percent);
    this.sparks.memory.add(timestamp, memory?.percent);
    this.sparks.network.add(timestamp, traffic.into + traffic.out);
    this.sparks.temperature.add(timestamp, hottest(temperatures)?.celsius);
  }

  show({ host, cpu, memory, disks, network, temperatures, message, ...rest }) {
    this.showNotice(message);
    const { about } = this.parts;
    const up = span(host?.uptime_seconds);
    setText(about, [host?.os, host?.arch, up && `up ${up}`].filter(Boolean).join(', '));
    setAttribute(about, 'title', [host?.name, host?.kernel && `kernel ${host.kernel}`].filter(Boolean).join(', '));
    setText(this.parts.name, host?.name ?? '');
    this.#showCpu(cpu);
    this.#showMemory(memory);
    this.#showNetwork(network);
    this.#showTemperature(temperatures);
    follow(this.parts.disks, disks ?? [], (disk) => disk.mount, createDisk, updateDisk);
    follow(this.parts.facts, facts({ cpu, memory, ...rest }), (fact) => fact.name, () => stamp('fact'), updateFact);
  }

  #showCpu(cpu) {
    const { cpu: value, cpuUnit, cpuSide } = this.parts;
    const [number, unit = ''] = percent(cpu?.percent)?.split('\u00a0') ?? [];
    const cores = cpu?.per_core_percent?.map(percent).join(', ');
    const why = 'The processor’s use is not known yet: it needs two readings.';
    setValue(value, number, why, cores && `Each core: ${cores}`);
    setText(cpuUnit, unit);
    setText(cpuSide, cpu?.cores ? `${cpu.cores} ${cpu.cores === 1 ? 'core' : 'cores'}` : '');
  }

  #showMemory(memory) {
    const { memory: value, memoryUnit, memorySide } = this.parts;
    const [number, unit] = bytesParts(memory?.used_bytes) ?? [];
    const available = bytes(memory?.available_bytes);
    const why = 'This machine does not say how much memory is used.';
    setValue(value, number, why, available && `${available} available`);
    setText(memoryUnit, [unit, percent(memory?.percent)].filter(Boolean).join(', '));
    const of = bytes(memory?.total_bytes);
    setText(memorySide, of ? `of ${of}` : '');
  }

  #showNetwork(network) {
    const { networkIn, networkInUnit, networkOut, networkOutUnit, networkSide } = this.parts;
    const { into, out, interfaces, parts } = total(network);
    const why = network?.length ? 'Rates need two readings.' : 'This machine reports no network interface.';
    const line = ({ interface: name, part_of: upper, rx_bytes_per_s: rx, tx_bytes_per_s: tx }) =>
      `${upper ? `${name}, part of ${upper}` : name}: ${rate(rx) ?? '–'} in, ${rate(tx) ?? '–'} out`;
    const each = [...interfaces, ...parts].map(line).join('\n');
    const [inNumber, inUnit = ''] = rateParts(into) ?? [];
    const [outNumber, outUnit = ''] = rateParts(out) ?? [];
    setValue(networkIn, inNumber, why, each);
    setText(networkInUnit, `${inUnit} in`.trim());
    setValue(networkOut, outNumber, why, each);
    setText(networkOutUnit, `${outUnit} out`.trim());
    const [first] = interfaces;
    setText(networkSide, interfaces.length > 1 ? `${interfaces.length} interfaces` : (first?.interface ?? ''));
  }

  #showTemperature(temperatures) {
    const { temperature, temperatureUnit, temperatureSide } = this.parts;
    const sensor = hottest(temperatures);
    const each = temperatures?.map((one) => `${one.label}: ${celsius(one.celsius) ?? '–'} °C`).join('\n');
    setValue(temperature, celsius(sensor?.celsius), 'This machine reports no temperature; virtual machines have none.', each);
    setText(temperatureUnit, sensor ? '°C' : '');
    setText(temperatureSide, sensor?.label ?? '');
    setAttribute(temperatureSide, 'title', sensor?.label);
  }
}

function hottest(temperatures) {
  return temperatures?.filter((one) => Number.isFinite(one.celsius)).sort((a, b) => b.celsius - a.celsius)[0];
}

/**
 * What goes through the machine's real interfaces; an unknown rate makes no sum. A port of a bridge or
 * a bond carries what its upper interface reports as well, so it is no summand, only one of the `parts`.
 * Pure.
 */
export function total(network) {
  const all = network ?? [];
  const real = all.filter((one) => !TUNNEL.test(one.interface));
  const named = new Set(real.map((one) => one.interface));
  const parts = real.filter((one) => named.has(one.part_of));
  const primary = real.filter((one) => !parts.includes(one));
  const interfaces = primary.length ? primary : all;
  const sum = (rates) => {
    const known = rates.filter(Number.isFinite);
    return known.length ? known.reduce((a, b) => a + b) : undefined;
  };
  return {
    interfaces,
    parts: primary.length ? parts : [],
    into: sum(interfaces.map((one) => one.rx_bytes_per_s)),
    out: sum(interfaces.map((one) => one.tx_bytes_per_s)),
  };
}

/** What is known of these, as a list. */
const join = (words) => words.filter(Boolean).join(', ');

function createDisk() {
  const row = stamp('disk');
  row.parts = fields(row);
  return row;
}

function updateDisk(row, disk) {
  const { mount, kind, left, fill } = row.parts;
  const used = disk.percent;
  setText(mount, disk.mount ?? '');
  setAttribute(mount, 'title', disk.mount);
  setText(kind, join([disk.filesystem, disk.device?.replace('/dev/', ''), disk.read_only && 'read-only']));
  const free = bytes(disk.available_bytes);
  const size = bytes(disk.total_bytes);
  const reads = rate(disk.read_bytes_per_s);
  const writes = rate(disk.write_bytes_per_s);
  const summary = join([percent(used), free && `${free} left`]);
  const more = join([size && `${size} in all`, reads && `reads ${reads}`, writes && `writes ${writes}`]);
  setValue(left, summary || undefined, 'This disk’s size is not known.', more);
  // The style object, not a style attribute: the page's policy allows no inline style.
  fill.style.width = `${Math.min(100, Math.max(0, used ?? 0))}%`;
  setAttribute(row, 'data-kind', used >= 90 ? 'bad' : used >= 80 ? 'warning' : 'ok');
}

function updateFact(row, { name, value, why, kind, title }) {
  const parts = (row.parts ??= fields(row));
  setText(parts.name, name);
  setValue(parts.value, value, why, title);
  setAttribute(row, 'data-kind', kind);
}
