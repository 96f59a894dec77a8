// The names on the wire, as people say them.
//
// A name that is not listed (a newer server, another collector) is shown as it is.

// In the order in which they are shown.
const LAYERS = {
  process: 'Processes',
  unit: 'Service',
  port: 'Port',
  tls: 'TLS',
  certificate: 'Certificate',
  cot: 'CoT ping',
  api: 'API',
  authenticated_api: 'Signed-in API',
  database: 'Database',
  broker: 'Message broker',
  log: 'Log',
  restarts: 'Restarts',
  canary: 'Test message',
  configuration: 'Configuration',
  client_certificate: 'Client certificate',
};

const FLAVORS = {
  taky: 'taky',
  takserver: 'TAK Server',
  opentakserver: 'OpenTAKServer',
  freetakserver: 'FreeTAKServer',
};

const CONTAINER_STATES = { exited: 'stopped' };

const CERTIFICATE_ROLES = {
  server: 'the server’s own',
  issuer: 'who signed the server’s',
  truststore: 'an authority the server trusts',
  file: 'in the server’s folder',
  client: 'takpulse’s, as a client',
  takpulse: 'this dashboard’s (takpulse)',
};

const translate = (words) => (name) => words[name] ?? name?.replaceAll('_', ' ');

/** A layer of a TAK server: `cot` is "CoT ping". */
export const layerName = translate(LAYERS);

/** Its place among the layers; those that are not listed come last. */
export function layerRank(name) {
  const rank = Object.keys(LAYERS).indexOf(name);
  return rank === -1 ? Infinity : rank;
}

const flavorName = translate(FLAVORS);

/** A TAK server by kind and version; many versions name the kind already (`taky-0.10`). */
export function serverName(flavor, version) {
  const kind = flavorName(flavor);
  const named = kind && version?.toLowerCase().startsWith(kind.toLowerCase());
  return [named ? undefined : kind, version].filter(Boolean).join(' ');
}

/** Whose certificate it is: `server` is "the server’s own". */
export const certificateRole = translate(CERTIFICATE_ROLES);

/** A container's state: `exited` is "stopped". */
export const containerState = translate(CONTAINER_STATES);
