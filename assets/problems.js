// What needs attention, in sentences a volunteer understands, worst first.
//
// Pure: a view of one machine goes in, problems come out. A figure that is not known is never a
// problem by itself; a source that can't be read is.

import { containerProblems } from './container-problems.js';
import { hostProblems } from './host-problems.js';
import { takProblems } from './tak-problems.js';
import { timeOfDay } from './format.js';

const NAMES = {
  system_metrics: 'Host figures',
  docker_status: 'Container figures',
  tak_status: 'TAK server checks',
};

/**
 * The problems of one machine: `{key, severity: 'bad' | 'warning', topic?, what, detail?, since?}`.
 * `what` and `detail` are read as one sentence. `lostSince` is the server time at which the
 * connection was lost, if it is.
 */
export function problems(view, lostSince) {
  const { tak_status: tak, system_metrics: host, docker_status: docker } = view.topics;
  const found = [
    ...(lostSince === undefined ? [] : [lost(lostSince)]),
    ...of('tak_status', tak && takProblems(tak.data)),
    ...of('system_metrics', host && hostProblems(host.data)),
    ...of('docker_status', docker && containerProblems(docker.data)),
    // Without a connection everything is old, and that has been said.
    ...(lostSince === undefined ? staleProblems(view) : []),
  ];
  // The sort is stable: within a severity the order above stays, TAK before host before containers.
  const rank = ({ severity }) => (severity === 'bad' ? 0 : 1);
  return found.map(finished).sort((a, b) => rank(a) - rank(b));
}

const of = (topic, found) => (found ?? []).map((problem) => ({ ...problem, topic }));

/** A sentence goes on with what the source said; when it said nothing, it ends there. */
function finished(problem) {
  if (problem.detail) return problem;
  return { ...problem, what: problem.what.replace(/[:.]?$/, '.'), detail: undefined };
}

function lost(since) {
  const detail = `the figures below are from ${timeOfDay(since)}.`;
  return { key: 'connection', severity: 'bad', what: 'No connection to takpulse:', detail, since };
}

function staleProblems(view) {
  const last = (since) => `the last are from ${timeOfDay(since)}.`;
  if (view.stale) {
    const since = view.newest;
    return [{ key: 'stale', severity: 'bad', what: 'No figures come in any more:', detail: last(since), since }];
  }
  return Object.entries(view.topics)
    .filter(([, reading]) => reading.stale)
    .map(([topic, { data: { timestamp: since } }]) => {
      const what = `${NAMES[topic]} have stopped coming in:`;
      return { key: `stale-${topic}`, severity: 'warning', topic, what, detail: last(since), since };
    });
}
