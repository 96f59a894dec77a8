// Since when a problem is there, as far as this page can know.
//
// Pure. A problem that appears while the page is watching began then; one that was there at the
// first look is older than the page, and that is how it is told.

export class Sightings {
  #first = new Map();
  #watched = new Set();

  /**
   * Adds `since` (server time) and `exact` to each problem. `topics` are those that have been heard
   * of: a problem is only exact when its topic was already there without it.
   */
  date(problems, topics, now) {
    const first = new Map();
    for (const { key, topic } of problems) {
      const seen = this.#first.get(key) ?? { since: now, exact: this.#watched.has(topic) };
      if (seen.since !== undefined) first.set(key, seen);
    }
    this.#first = first;
    for (const topic of topics) this.#watched.add(topic);
    return problems.map((problem) => {
      if (problem.since !== undefined) return { ...problem, exact: true };
      return { ...problem, ...first.get(problem.key) };
    });
  }
}
