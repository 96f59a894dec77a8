// What is wrong with the TAK server, layer by layer, and which certificates end.
//
// Pure; see problems.js for the shape.

import { daysLeft } from './format.js';
import { layerName } from './words.js';

/** Days before the end from which a certificate is worth a warning, and is a problem. */
const WARN_DAYS = 30;
const BAD_DAYS = 7;

/** The problems in a `tak_status` reading. */
export function takProblems({ status, message, checks, certificates }) {
  const ending = (certificates ?? []).filter(({ days_left: left }) => left <= WARN_DAYS);
  // A certificate that ends is told with its days; once is enough.
  const told = ({ name, target }) => name === 'certificate' && ending.some(({ source }) => source === target);
  const failed = (checks ?? []).filter((check) => check.ok === false && !told(check));
  const found = ending.map(certificateProblem);
  const bad = (key, what, detail) => ({ key, severity: 'bad', what, detail });
  if (status === 'down') {
    // Every layer fails then: one sentence says it.
    const detail = message ?? failed.map(reason).join(' ');
    return [bad('tak-down', 'The TAK server is down:', detail), ...found];
  }
  if (status === undefined && message) {
    found.unshift({ key: 'tak-unknown', severity: 'warning', what: 'The TAK server’s state is not known:', detail: message });
  }
  if (status === 'degraded' && failed.length + ending.length === 0) {
    found.unshift(bad('tak-degraded', 'The TAK server is not well:', message));
  }
  const layers = failed.map((check) => {
    const name = [check.server, layerName(check.name)].filter(Boolean).join(', ');
    return bad(`tak-check-${name}-${check.target}`, `TAK server: “${name}” fails:`, reason(check));
  });
  return [...layers, ...found];
}

function certificateProblem({ subject, role, source, days_left: left, not_after: end }) {
  const name = `Certificate ${subject ?? ''}`.trim();
  const when =
    left === -1 ? 'has expired' : left < 0 ? daysLeft(left) : `expires ${left < 1 ? 'today' : `in ${daysLeft(left)}`}`;
  const where = [role, source].filter(Boolean).join(', ');
  return {
    key: `certificate-${subject}-${source}`,
    severity: left <= BAD_DAYS ? 'bad' : 'warning',
    what: `${name} ${when}`,
    detail: where && `(${where}).`,
    since: left < 0 ? end : undefined,
  };
}

/** What a check said; its target too, unless that is part of it. */
function reason({ target, message }) {
  return message?.includes(target) ? message : [target, message].filter(Boolean).join(': ');
}
