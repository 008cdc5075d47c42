/** What the table must hold, as text in the language of nft. Made by pure functions, compared by the transaction. */
export interface Ruleset {
  /** Rules in order, by chain. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** The sets and maps of {@link sets}: each element with its verdict, '' in a set. */
  readonly elements: Readonly<Record<SetName, ReadonlyMap<string, string>>>;
  /** Seconds after which a client is forgotten, by set. What is in these sets is the kernel's own. */
  readonly affinity: ReadonlyMap<string, number>;
}

const address = 'ipv4_addr';
const target = 'ipv4_addr . inet_proto . inet_service : verdict';
const port = 'inet_proto . inet_service : verdict';

interface SetKind {
  readonly kind: 'set' | 'map';
  readonly type: string;
  readonly comment: string;
}

/** The table's fixed sets and maps, under upstream's names (pkg/proxy/nftables, release 1.36). */
export const sets = {
  'cluster-ips': { kind: 'set', type: address, comment: 'active ClusterIPs' },
  'service-ips': { kind: 'map', type: target, comment: 'ClusterIP, ExternalIP and LoadBalancer IP traffic' },
  'service-nodeports': { kind: 'map', type: port, comment: 'NodePort traffic' },
  'no-endpoint-services': { kind: 'map', type: target, comment: 'services without a backend for their traffic' },
  'no-endpoint-nodeports': { kind: 'map', type: port, comment: 'node ports without a backend for their traffic' },
  'firewall-ips': { kind: 'map', type: target, comment: 'subject to loadBalancerSourceRanges' },
  'hairpin-connections': { kind: 'set', type: `${address} . ${address}`, comment: 'backends that call themselves' },
} as const satisfies Record<string, SetKind>;

export type SetName = keyof typeof sets;

export const setNames = Object.keys(sets) as readonly SetName[];

/** The network a node's rules are for. */
export interface NodeNetwork {
  /** Where pods' addresses come from: traffic from elsewhere is masqueraded when it enters the cluster here. */
  readonly clusterCidr: string;
  /** Where cluster IPs come from. */
  readonly serviceCidr: string;
  /** This node's own addresses; asked at each full sync. */
  readonly nodeIPs: readonly string[];
  /** `net.ipv4.conf.all.route_localnet` is on: node ports answer on 127.0.0.1 of the node too. */
  readonly localhostNodePorts: boolean;
  /**
   * The pods' range of this node when bridged packets pass nobody's filter (no br_netfilter): replies between two pods of one
   * bridge would not come back through the translation, so that such connections are masqueraded.
   */
  readonly bridgedCidr?: string;
}
