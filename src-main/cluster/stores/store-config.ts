import { existsSync } from 'node:fs';
import { ClusterError } from '../errors.ts';
import { asArray, asNumber, asRecord, asText } from '../json-fields.ts';

/** Where a member of ours listens on 127.0.0.1. Kept: members know each other by the peer port. */
export interface MemberPorts {
  readonly client: number;
  readonly peer: number;
}

/** What a lab keeps its objects in, when it is not the embedded store: part of `lab.json`. */
export type StoreConfig =
  | {
      readonly kind: 'local';
      readonly members: number;
      /** Empty until the first start. */
      readonly ports: readonly MemberPorts[];
    }
  | ({ readonly kind: 'external' } & ExternalEndpoints);

/** Somebody's etcd. Files are read at each start, never copied. */
export interface ExternalEndpoints {
  readonly endpoints: readonly string[];
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What a person asks for. */
export type StoreWish =
  { readonly kind: 'local'; readonly members: number } | ({ readonly kind: 'external' } & ExternalEndpoints);

/** Throws ClusterError INVALID with a line that says what to do. */
export function newStoreConfig(wish: StoreWish): StoreConfig {
  if (wish.kind === 'external') return { ...checkEndpoints(wish), kind: 'external' };
  if (![1, 3, 5].includes(wish.members))
    throw new ClusterError('INVALID', `${wish.members} etcd members: choose 1, 3 or 5, as the majority decides`);
  return { kind: 'local', members: wish.members, ports: [] };
}

function checkEndpoints(wish: ExternalEndpoints): ExternalEndpoints {
  const { endpoints, ca, cert, key } = wish;
  const checked = endpoints.map(checkEndpoint);
  if (checked.length === 0) throw new ClusterError('INVALID', 'no etcd endpoint: name one with --etcd-endpoints');
  const schemes = new Set(checked.map((one) => one.slice(0, one.indexOf(':'))));
  if (schemes.size > 1)
    throw new ClusterError(
      'INVALID',
      'etcd endpoints must be all https:// or all http://, as all are members of one etcd',
    );
  if (schemes.has('http') && (ca ?? cert ?? key) !== undefined)
    throw new ClusterError(
      'INVALID',
      'etcd endpoints with http:// take no --etcd-ca, --etcd-cert or --etcd-key: use https://',
    );
  if ((cert === undefined) !== (key === undefined))
    throw new ClusterError('INVALID', 'an etcd client certificate needs both --etcd-cert and --etcd-key');
  for (const [flag, path] of Object.entries({ ca, cert, key }))
    if (path !== undefined && !existsSync(path))
      throw new ClusterError('INVALID', `--etcd-${flag} ${path}: there is no such file`);
  return {
    endpoints: [...new Set(checked)],
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}

/** As etcdctl, an endpoint without scheme is clear text; here that must be said. */
function checkEndpoint(text: string): string {
  const bad = new ClusterError(
    'INVALID',
    `'${text}' is no etcd endpoint: write https://address:2379 or http://address:2379`,
  );
  if (!URL.canParse(text)) throw bad;
  const { protocol, hostname, port, pathname, username, search } = new URL(text);
  const plain = hostname !== '' && pathname.replace('/', '') === '' && username === '' && search === '';
  if ((protocol !== 'https:' && protocol !== 'http:') || !plain) throw bad;
  return `${protocol}//${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
}

/** Reads what {@link StoreConfig} wrote. Throws Error. */
export function decodeStoreConfig(value: unknown): StoreConfig {
  const record = asRecord(value, 'store');
  if (record['kind'] === 'local') {
    const ports = asArray(record['ports'], 'store.ports').map((one): MemberPorts => {
      const port = asRecord(one, 'a member');
      return { client: asNumber(port['client'], 'client'), peer: asNumber(port['peer'], 'peer') };
    });
    return { kind: 'local', members: asNumber(record['members'], 'store.members'), ports };
  }
  if (record['kind'] !== 'external') throw new Error(`its store is '${String(record['kind'])}'`);
  const path = (name: string): Readonly<Record<string, string>> =>
    record[name] === undefined ? {} : { [name]: asText(record[name], name) };
  return {
    kind: 'external',
    endpoints: asArray(record['endpoints'], 'store.endpoints').map((one) => asText(one, 'an endpoint')),
    ...path('ca'),
    ...path('cert'),
    ...path('key'),
  };
}
