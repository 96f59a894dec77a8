// The names on the wire, as people say them.
//
// A name that is not listed (a newer server, another collector) is shown as it is.

const LAYERS = {
  process: 'Processes',
  unit: 'Service',
  port: 'Port',
  tls: 'TLS',
  certificate: 'Certificate',
  cot: 'CoT ping',
  api: 'API',
  client_certificate: 'Client certificate',
};

const FLAVORS = {
  taky: 'taky',
  takserver: 'TAK Server',
  opentakserver: 'OpenTAKServer',
  freetakserver: 'FreeTAKServer',
};

const CONTAINER_STATES = { exited: 'stopped' };

const CERTIFICATE_ROLES = { takpulse: 'this dashboard' };

const translate = (words) => (name) => words[name] ?? name?.replaceAll('_', ' ');

/** A layer of a TAK server: `cot` is "CoT ping". */
export const layerName = translate(LAYERS);

const flavorName = translate(FLAVORS);

/** A TAK server by kind and version; many versions name the kind already (`taky-0.10`). */
export function serverName(flavor, version) {
  const kind = flavorName(flavor);
  const named = kind && version?.toLowerCase().startsWith(kind.toLowerCase());
  return [named ? undefined : kind, version].filter(Boolean).join(' ');
}

/** Whose certificate it is: `takpulse` is "this dashboard". */
export const certificateRole = translate(CERTIFICATE_ROLES);

/** A container's state: `exited` is "stopped". */
export const containerState = translate(CONTAINER_STATES);
