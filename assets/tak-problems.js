// What is wrong with the TAK server, layer by layer, and which certificates end.
//
// Pure; see problems.js for the shape.

import { daysLeft } from './format.js';
import { layerName } from './words.js';

/** Days before the end from which a certificate is worth a warning, and is a problem. */
const WARN_DAYS = 30;
const BAD_DAYS = 7;

/** The checks that a certificate's own sentence replaces. */
const EXPIRY_CHECKS = ['certificate', 'client_certificate'];

/** The certificate of this very dashboard is none of the TAK server's. */
const isOurs = ({ role }) => role === 'takpulse';

/** The problems in a `tak_status` reading. */
export function takProblems({ status, message, checks, certificates }) {
  const ending = once((certificates ?? []).filter(({ days_left: left }) => left <= WARN_DAYS));
  // A certificate that ends is told with its days; once is enough.
  const told = ({ name, target }) => EXPIRY_CHECKS.includes(name) && ending.some(({ source }) => source === target);
  const all = (checks ?? []).filter((check) => !told(check));
  const found = ending.map(certificateProblem);
  const servers = [...new Set((checks ?? []).map((check) => check.server))];
  if (servers.length > 1) {
    const each = servers.flatMap((server) => serverProblems(server, all.filter((check) => check.server === server), message));
    if (each.length > 0) return [...each, ...found];
  }
  if (status === 'down') {
    // Every layer fails then: one sentence says it.
    return [bad('tak-down', 'The TAK server is down:', message ?? all.filter(failed).map(reason).join(' ')), ...found];
  }
  const layers = all.filter(failed).map(layerProblem);
  if (status === undefined && message) {
    found.unshift({ key: 'tak-unknown', severity: 'warning', what: 'The TAK server’s state is not known:', detail: message });
  }
  if (status === 'degraded' && layers.length === 0 && ending.every(isOurs)) {
    found.unshift(bad('tak-degraded', 'The TAK server is not well:', message));
  }
  return [...layers, ...found];
}

const bad = (key, what, detail) => ({ key, severity: 'bad', what, detail });

const failed = (check) => check.ok === false;

/** Several servers may be given the same client certificate. */
function once(certificates) {
  const key = ({ role, subject, source }) => `${role} ${subject} ${source}`;
  return [...new Map(certificates.map((one) => [key(one), one])).values()];
}

/**
 * One of several servers. The report's status is the worst one's, so whether this one is down is seen
 * from its layers; takpulse's own certificate is none of them.
 */
function serverProblems(server, checks, message) {
  const layers = checks.filter((check) => check.name !== 'client_certificate');
  const faults = checks.filter(failed);
  if (!layers.some(failed) || layers.some((check) => check.ok === true)) return faults.map(layerProblem);
  // The report's message is about the worst server, and names it.
  const own = server && message?.startsWith(`${server}: `) ? message.slice(server.length + 2) : undefined;
  const what = server ? `The TAK server “${server}” is down:` : 'The TAK server is down:';
  const rest = faults.filter((check) => !layers.includes(check));
  return [bad(`tak-down-${server ?? ''}`, what, own ?? reason(layers.find(failed))), ...rest.map(layerProblem)];
}

function layerProblem(check) {
  const name = [check.server, layerName(check.name)].filter(Boolean).join(', ');
  return bad(`tak-check-${name}-${check.target}`, `TAK server: “${name}” fails:`, reason(check));
}

function certificateProblem(certificate) {
  const { subject, role, source, days_left: left, not_after: end } = certificate;
  const ours = isOurs(certificate);
  const when = left < 0 ? daysLeft(left) : `expires ${left < 1 ? daysLeft(left) : `in ${daysLeft(left)}`}`;
  const where = [role, source].filter(Boolean).join(', ');
  const name = ours ? `takpulse’s own certificate${subject ? ` (${subject})` : ''}` : `Certificate ${subject ?? ''}`.trim();
  return {
    key: `certificate-${subject}-${source}`,
    severity: left <= BAD_DAYS ? 'bad' : 'warning',
    what: ours ? `${name} ${when}:` : `${name} ${when}`,
    detail: ours ? renewal(left, source ?? 'it') : where && `(${where}).`,
    since: left < 0 ? end : undefined,
  };
}

function renewal(left, file) {
  if (left < 0) return `browsers warn of this dashboard until ${file} is renewed.`;
  return `renew ${file}, or browsers will warn of this dashboard.`;
}

/** What a check said; its target too, unless that is part of it. */
function reason({ target, message }) {
  return message?.includes(target) ? message : [target, message].filter(Boolean).join(': ');
}
