// The small line under a figure: where it has been since this page was opened.

import { Trail } from './trail.js';

export class Spark {
  #trail;

  /** Draws into this `<path>`; see trail.js for the options. */
  constructor(path, options) {
    this.path = path;
    this.#trail = new Trail(options);
  }

  /** Takes a reading and draws the line anew. */
  add(time, value) {
    if (this.#trail.add(time, value)) this.path.setAttribute('d', this.#trail.line);
  }

  /** Forgets everything: the figures are another machine's now. */
  clear() {
    this.#trail.clear();
    this.path.setAttribute('d', '');
  }
}
