import type { RemoteDriver } from '#machines/machine';
import type { SocketAddress } from '#base/streams';

/** A client certificate and its private key, both PEM. */
export interface ClientKeyPair {
  readonly certificate: string;
  readonly key: string;
}

/**
 * What a real worker is told when it joins: `/etc/drydock/agent.json`, mode 0600, written by `cluster/` before the supervisor
 * starts and read by each of its processes.
 */
export interface AgentConfig {
  readonly formatVersion: 1;
  readonly nodeName: string;
  readonly driver: RemoteDriver;
  /** The cluster's authority, PEM. */
  readonly caCertificate: string;
  /** `id.secret`: good for asking for the kubelet's first certificate. Renewed at each start. */
  readonly bootstrapToken: string;
  /** kube-proxy speaks as `system:kube-proxy`. */
  readonly kubeProxy: ClientKeyPair;
  /** The network agent speaks as `system:drydock-network`. */
  readonly network: ClientKeyPair;
  /** Where this machine reaches the API server, tried in order. */
  readonly apiUpstreams: readonly SocketAddress[];
  /**
   * The address that the `kubernetes` Service's endpoints name, the same on every node of every driver. The network agent puts
   * it on the loopback device and relays connections to it to `apiUpstreams`, so that neither pods nor programs of the
   * node need to know where the API server really is.
   */
  readonly apiAddress: SocketAddress;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly clusterDNS: readonly string[];
  readonly clusterDomain: string;
  /** `unix:///run/containerd/containerd.sock`, or any other CRI v1 socket. */
  readonly criEndpoint: string;
  /** Nodes of one network id are on one link: plain routes. Others are reached through VXLAN. */
  readonly networkId: string;
  /** Limits the driver set on the machine; absent: what the machine has. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly maxPods?: number;
  /** The supervisor runs containerd too (Docker driver, machines without systemd). */
  readonly ownsContainerd: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly kubernetesVersion: string;
}

/** Node annotations by which network agents find each other. */
export const networkAnnotations = {
  networkId: 'network.drydock.dev/id',
  /** The address VXLAN packets for this node go to. */
  vtep: 'network.drydock.dev/vtep',
  vtepMac: 'network.drydock.dev/vtep-mac',
} as const;

/** Which driver made a node; also what kube-proxy knows reachable endpoints by. */
export const driverLabel = 'drydock.dev/driver';

/** On `apiAddress`' IP of every real node: where cluster DNS asks for names of the outside, by UDP and TCP. */
export const nodeResolverPort = 10053;
