// Where something was seen, as short as it stays clear: while there is one host, `127.0.0.1:8089` is "8089".
//
// Pure.

import { listed } from './format.js';

/** More places than these are counted: nobody reads on. */
const NAMED = 4;

const DEFAULT_PORTS = { 'https:': '443', 'http:': '80' };

/** `{host, port}` of `host:port` or of a URL, else `{name}`: a file without its folders, or what was said. */
function parse(target) {
  if (/^\w+:\/\//.test(target)) {
    const url = URL.canParse(target) ? new URL(target) : undefined;
    return url ? { host: url.hostname, port: url.port || DEFAULT_PORTS[url.protocol] } : { name: target };
  }
  const [, host, port] = /^([^/]+):(\d{1,5})$/.exec(target) ?? [];
  return port ? { host, port } : { name: target.split('/').filter(Boolean).pop() ?? target };
}

/** `{ports, names}`: each place once, in the order of the targets. */
function sorted(targets) {
  const all = targets.filter((target) => typeof target === 'string' && target !== '').map(parse);
  const oneHost = new Set(all.filter(({ port }) => port).map(({ host }) => host)).size < 2;
  const ports = all.filter(({ port }) => port).map(({ host, port }) => (oneHost ? port : `${host}:${port}`));
  const names = all.filter(({ name }) => name).map(({ name }) => name);
  return { ports: [...new Set(ports)], names: [...new Set(names)] };
}

/** `["8087", "8089", "takserver.service"]`. */
export function places(targets) {
  const { ports, names } = sorted(targets);
  return [...ports, ...names];
}

/** `"on 8089, 8443 and in takserver.p12"`; `undefined` when nothing is said. */
export function seenAt(targets) {
  const { ports, names } = sorted(targets);
  const on = ports.length > 0 && `on ${few(ports, names.length === 0)}`;
  const inside = names.length > 0 && `in ${few(names, true)}`;
  return [on, inside].filter(Boolean).join(' and ') || undefined;
}

/** The first places, and how many more; the last one is joined by "and" only where the sentence ends. */
function few(all, ends) {
  const first = all.slice(0, NAMED);
  if (all.length > NAMED) first.push(`${all.length - NAMED} more`);
  return ends ? listed(first) : first.join(', ');
}
