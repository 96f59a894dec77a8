// Which certificates end, in sentences.
//
// Pure; see problems.js for the shape. A certificate is told once, wherever it was seen; and one of a
// user, which only that user misses, is a warning at most, and shares a sentence with the others.

import { count, daysLeft, listed } from './format.js';
import { seenAt } from './places.js';

/** Days before the end from which a certificate is worth a warning, and is a problem. */
const WARN_DAYS = 30;
const BAD_DAYS = 7;

/** A user's certificate that ended longer ago was given up. */
const PAST_DAYS = -30;

/** As many users' certificates are named. */
const NAMED = 3;

const OWNERS = {
  server: 'The TAK server’s certificate',
  issuer: 'The certificate of the TAK server’s issuer',
  truststore: 'The TAK server’s trusted authority',
  client: 'takpulse’s client certificate',
  takpulse: 'takpulse’s own certificate',
};

/** Of several roles of one certificate, the one that matters most comes first. */
const ROLES = [...Object.keys(OWNERS), undefined, 'file'];

/** The certificate of this very dashboard is none of the TAK server's. */
const isOurs = ({ role }) => role === 'takpulse';
const isFile = ({ role }) => role === 'file';

/** The certificates that end soon, or have ended: each once, with everything that was said of its places. */
export function ending(certificates) {
  const found = new Map();
  for (const one of certificates ?? []) {
    const { subject, issuer, not_after: end, days_left: left, source } = one;
    if (!(left <= WARN_DAYS) || (isFile(one) && left < PAST_DAYS)) continue;
    // Two certificates of one name that end at different times are two.
    const key = [subject, issuer, end, issuer === undefined && source].join('\n');
    found.set(key, merged(found.get(key), one));
  }
  return [...found.values()];
}

function merged(known, one) {
  const places = [one.source, ...(one.also ?? [])].filter(Boolean);
  if (!known) return { ...one, places };
  const rank = ({ role }) => ROLES.indexOf(ROLES.includes(role) ? role : undefined);
  const louder = rank(one) < rank(known) ? one : known;
  return { ...louder, places: [...new Set([...known.places, ...places])] };
}

/** Whether the TAK server's own state may follow from this certificate's end. */
export const concernsServer = (one) => !isOurs(one) && !isFile(one);

/** The problems of these, as `ending` tells them. */
export function certificateProblems(found) {
  const files = found.filter(isFile);
  return [...found.filter((one) => !isFile(one)).map(single), ...(files.length > 0 ? [users(files)] : [])];
}

function single(certificate) {
  const { server, subject, role, source, days_left: left, not_after: end, places } = certificate;
  const ours = isOurs(certificate);
  const owner = OWNERS[role];
  const name = owner ? `${owner}${subject ? ` (${subject})` : ''}` : `Certificate ${subject ?? ''}`.trim();
  const when = left < 0 ? daysLeft(left) : `expires ${left < 1 ? daysLeft(left) : `in ${daysLeft(left)}`}`;
  const where = [server, seenAt(places)].filter(Boolean).join(': ');
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

/** One sentence for all users' certificates. */
function users(files) {
  const sorted = [...files].sort((a, b) => a.days_left - b.days_left);
  const over = sorted.filter(({ days_left: left }) => left < 0).length;
  const names = sorted.slice(0, NAMED).map(({ subject, places }) => subject || seenAt(places) || 'one without a name');
  if (files.length > NAMED) names.push(`${files.length - NAMED} more`);
  const [{ days_left: left }] = sorted;
  const one = left < 0 ? daysLeft(left) : `ends ${left < 1 ? daysLeft(left) : `in ${daysLeft(left)}`}`;
  const ended = over > 0 && files.length > 1 ? `${over} of them ${over === 1 ? 'has' : 'have'} ended; ` : '';
  const many = over === files.length ? 'have ended' : `end within ${WARN_DAYS} days`;
  return {
    key: 'certificates-users',
    severity: 'warning',
    what: files.length === 1 ? `A user’s certificate ${one}:` : `${count(files.length, 'user’s', 'users’')} certificates ${many}:`,
    detail: `${over === files.length ? '' : ended}${listed(names)}.`,
  };
}
