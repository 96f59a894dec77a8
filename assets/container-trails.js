// Where the containers' figures have been in the last minutes, kept beside the table.
//
// Pure. Rows come and go with filter and fold, what was read stays; with a container everything of it goes.

import { Trail } from './trail.js';

/** Five minutes in a line as wide as a word; a burst of reports is one reading. */
const KEPT = { seconds: 300, apart: 2, above: 1.25 };

/** Percent: below it, a processor's idling is no mountain range. */
const QUIET = 10;

/** Bytes, for the same reason. */
const SMALL = 16e6;

export class Trails {
  #trails = new Map();

  /** Takes a `docker_status` reading. */
  note({ timestamp, containers }) {
    if (!Number.isFinite(timestamp) || !containers) return;
    const trails = new Map();
    for (const { id, cpu_percent: cpu, memory_bytes: memory } of containers) {
      const own = this.#trails.get(id) ?? { cpu: new Trail({ ...KEPT, floor: QUIET }), memory: new Trail({ ...KEPT, floor: SMALL }) };
      own.cpu.add(timestamp, cpu);
      own.memory.add(timestamp, memory);
      trails.set(id, own);
    }
    this.#trails = trails;
  }

  /** The lines of one container: `{cpu, memory}`, each a path. */
  of(id) {
    const own = this.#trails.get(id);
    return { cpu: own?.cpu.line ?? '', memory: own?.memory.line ?? '' };
  }

  clear() {
    this.#trails = new Map();
  }
}
