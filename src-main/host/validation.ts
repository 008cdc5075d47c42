import type { CallName, CallRequest } from '#contract/calls';
import type { WatchName, WatchRequest } from '#contract/watches';
import {
  anything,
  exactlyOne,
  fields,
  flag,
  listOf,
  oneOf,
  optional,
  text,
  texts,
  variants,
  whole,
  within,
  type Check,
} from './checks.ts';

/**
 * Every request that crosses is decoded here before a handler sees it: unknown names, unknown fields and wrong types are a
 * BadRequest. What comes out is a fresh object that holds nothing else.
 */

const label = text({
  pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  max: 63,
  says: 'must be lower-case letters, digits and dashes, and begin and end with a letter or digit (63 at most)',
});
const subdomain = text({
  pattern: /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/,
  max: 253,
  says: 'must be lower-case letters, digits, dashes and dots',
});
const lab = { lab: label };
const node = { ...lab, node: subdomain };
const master = { ...lab, master: label };
const member = { ...lab, member: text({ max: 253 }) };
const masters = whole(1, 5);
const empty = fields({});
const driver = oneOf('embedded', 'docker', 'ssh');
const cpus = whole(1, 1024);
const memoryBytes = whole(64 * 1024 ** 2, 64 * 1024 ** 4);
const container = { ...lab, namespace: label, pod: subdomain, container: label };
const terminalSize = { columns: whole(1, 1000), rows: whole(1, 1000) };
const session = text({ max: 64 });
const aRevision = whole(1, Number.MAX_SAFE_INTEGER);
const revision = optional(aRevision);

const hop = {
  host: text({
    pattern: /^[A-Za-z0-9]([-.:A-Za-z0-9_]*[A-Za-z0-9])?$/,
    max: 253,
    says: 'must be a host name or address',
  }),
  port: whole(1, 65535),
  user: text({ pattern: /^[^\s:@/]+$/, max: 64, says: 'must be a user name' }),
  auth: variants('kind', {
    key: { path: text(), passphrase: optional(text()) },
    agent: {},
    password: { password: text() },
  }),
  hostKey: optional(text({ pattern: /^SHA256:[A-Za-z0-9+/]{43}=?$/, max: 60, says: 'must be a SHA256 fingerprint' })),
};
const sshTarget = fields({ ...hop, jump: optional(fields(hop)), archive: optional(text()) });
const imageSource = exactlyOne({ name: text({ max: 512 }), file: text() });
const absolutePath = text({ pattern: /^(\/|[A-Za-z]:[\\/])[^\0]*$/, says: 'must be an absolute path' });
/** A node, or `api`. */
const end = subdomain;
const faultSpec = variants('kind', {
  node: { node: subdomain, action: oneOf('stop', 'kill', 'pause', 'restart') },
  process: { node: subdomain, process: oneOf('kubelet', 'kube-proxy', 'containerd', 'network') },
  cut: { from: end, to: end, oneWay: optional(flag) },
  shape: {
    from: end,
    to: optional(end),
    latencyMs: optional(within(0, 60_000)),
    lossPercent: optional(within(0, 100)),
    rateKbit: optional(within(1, 100_000_000)),
  },
  dns: { node: subdomain },
  disk: { node: subdomain, freePercent: within(0, 100) },
  memory: { node: subdomain, bytes: whole(1, 64 * 1024 ** 4) },
  cpu: { node: subdomain, cores: within(0.1, 1024) },
  pids: { node: subdomain, count: whole(1, 4_194_304) },
});
const store = variants('kind', {
  local: { members: whole(1, 5) },
  external: {
    endpoints: listOf(text({ max: 300 }), 20),
    ca: optional(text()),
    cert: optional(text()),
    key: optional(text()),
  },
});
const resourceName = text({ pattern: /^[a-z][-a-z0-9]*$/, max: 63, says: 'must be a lower-case plural' });

const callChecks: { readonly [N in CallName]: Check } = {
  'host.info': empty,
  'labs.list': empty,
  'lab.create': fields({
    name: label,
    driver,
    masters,
    workers: whole(0, 200),
    cpus: optional(cpus),
    memoryBytes: optional(memoryBytes),
    store: optional(store),
  }),
  'lab.start': fields(lab),
  'lab.stop': fields(lab),
  'lab.delete': fields({ ...lab, force: optional(flag) }),
  'node.add': fields({
    ...lab,
    node: optional(subdomain),
    driver: optional(driver),
    cpus: optional(cpus),
    memoryBytes: optional(memoryBytes),
    ssh: optional(sshTarget),
  }),
  'node.kill': fields(node),
  'node.start': fields(node),
  'node.delete': fields(node),
  'master.kill': fields(master),
  'master.start': fields(master),
  'etcd.kill': fields(member),
  'etcd.start': fields(member),
  'api.request': fields({
    ...lab,
    method: oneOf('GET', 'POST', 'PUT', 'PATCH', 'DELETE'),
    path: text({ pattern: /^\/[^?#\s]*$/, says: 'must be an absolute path without query' }),
    query: optional(texts),
    body: optional(anything),
    contentType: optional(text({ pattern: /^[\w.+-]+\/[\w.+-]+$/, max: 100, says: 'must be a media type' })),
  }),
  'store.get': fields({ ...lab, key: text(), revision, raw: optional(flag), reveal: optional(flag) }),
  'store.level': fields({ ...lab, prefix: text(), from: optional(text()), limit: whole(1, 10_000), revision }),
  'store.history': fields({ ...lab, key: text(), before: revision, limit: whole(1, 1000), allLives: optional(flag) }),
  'store.leases': fields(lab),
  'store.watchers': fields(lab),
  'store.status': fields(lab),
  'store.compact': fields({ ...lab, revision }),
  'store.defragment': fields(lab),
  'rewind.range': fields(lab),
  'rewind.changes': fields({ ...lab, from: aRevision, to: aRevision, before: optional(flag) }),
  'pod.exec.input': fields({ session, text: text({ max: 256 * 1024 }) }),
  'pod.exec.resize': fields({ session, ...terminalSize }),
  'fault.add': fields({ ...lab, spec: faultSpec, forSeconds: whole(1, 24 * 3600) }),
  'fault.heal': fields({ ...lab, id: text({ max: 64 }) }),
  'docker.check': empty,
  'ssh.probe': fields({ target: sshTarget }),
  'image.load': fields({ ...lab, source: imageSource }),
  'snapshot.save': fields({ ...lab, file: absolutePath }),
  'snapshot.restore': fields({ file: absolutePath, name: optional(label) }),
  'snapshot.inspect': fields({ file: absolutePath }),
  'settings.get': empty,
  'settings.set': fields({
    change: fields({
      theme: optional(oneOf('system', 'light', 'dark')),
      panelWidthPx: optional(whole(240, 2000)),
      panelTab: optional(text({ max: 40 })),
      lab: optional(text({ max: 63 })),
      masters: optional(masters),
      workers: optional(whole(0, 200)),
      driver: optional(driver),
      nodeCpus: optional(cpus),
      nodeMemoryMib: optional(whole(64, 64 * 1024 * 1024)),
      faultSeconds: optional(whole(1, 24 * 3600)),
      storeView: optional(text({ max: 40 })),
      storePaneWidthPx: optional(whole(200, 4000)),
      storePrefix: optional(text()),
    }),
  }),
};

const watchChecks: { readonly [N in WatchName]: Check } = {
  labs: empty,
  objects: fields({
    ...lab,
    group: text({ pattern: /^([a-z0-9][-.a-z0-9]*)?$/, max: 253, says: 'must be an API group' }),
    version: text({ pattern: /^v[0-9][a-z0-9]*$/, max: 63, says: 'must be an API version' }),
    resource: resourceName,
    namespace: optional(label),
  }),
  store: fields({
    ...lab,
    prefix: optional(text()),
    fromRevision: revision,
  }),
  'store.search': fields({
    ...lab,
    text: text({ pattern: /./, max: 1000, says: 'must be a text that is not empty' }),
    place: oneOf('keys', 'values', 'both'),
    prefix: optional(text()),
    revision,
    limit: whole(1, 10_000),
  }),
  'rewind.state': fields({ ...lab, revision: aRevision }),
  'rewind.writes': fields({ ...lab, from: aRevision, to: aRevision, spans: whole(1, 2000) }),
  components: fields(lab),
  faults: fields(lab),
  tasks: fields(lab),
  'pod.logs': fields({ ...container, tailLines: whole(1, 100_000), previous: optional(flag) }),
  'pod.exec': fields({ ...container, command: listOf(text(), 64), tty: flag, ...terminalSize }),
};

export function isCallName(name: string): name is CallName {
  return Object.hasOwn(callChecks, name);
}

export function isWatchName(name: string): name is WatchName {
  return Object.hasOwn(watchChecks, name);
}

/** Throws StatusError BadRequest. */
export function decodeCall<N extends CallName>(name: N, request: unknown): CallRequest<N> {
  return callChecks[name](request, name) as CallRequest<N>;
}

/** Throws StatusError BadRequest. */
export function decodeWatch<N extends WatchName>(name: N, request: unknown): WatchRequest<N> {
  return watchChecks[name](request, name) as WatchRequest<N>;
}
