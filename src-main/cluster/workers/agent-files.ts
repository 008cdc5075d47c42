import type { SocketAddress } from '#base/streams';
import { machinePaths, type MachineFile, type RemoteDriver } from '#machines/machine';
import { driverLabel, type AgentConfig } from '#node-agent/agent-config';
import { apiAddress, clusterCidr, dnsServiceIp, serviceCidr } from '../addresses.ts';
import { kubernetesVersion } from '../identities.ts';
import type { WorkerConfig } from '../lab-config.ts';
import type { ClusterPki } from '../pki.ts';
import { clusterDomain } from './coredns-program.ts';

/** What one machine is told, besides what is the same in the whole lab. */
export interface AgentFacts {
  readonly worker: WorkerConfig;
  readonly driver: RemoteDriver;
  readonly networkId: string;
  readonly apiUpstreams: readonly SocketAddress[];
  readonly ownsContainerd: boolean;
  readonly criEndpoint: string;
  readonly bootstrapToken: string;
  /** The driver enforces the worker's CPUs and memory; otherwise the machine has what it has. */
  readonly limited: boolean;
}

/** The same facts give the same bytes, so that a machine that has them already is left alone. */
export function agentFiles(pki: ClusterPki, facts: AgentFacts): readonly MachineFile[] {
  const { worker, driver, limited } = facts;
  const config: AgentConfig = {
    formatVersion: 1,
    nodeName: worker.name,
    driver,
    caCertificate: pki.ca.certificate,
    bootstrapToken: facts.bootstrapToken,
    kubeProxy: pki.kubeProxy,
    network: pki.networkAgent,
    apiUpstreams: facts.apiUpstreams,
    apiAddress,
    clusterCidr,
    serviceCidr,
    clusterDNS: [dnsServiceIp],
    clusterDomain,
    criEndpoint: facts.criEndpoint,
    networkId: facts.networkId,
    ...(limited ? { cpus: worker.cpus, memoryBytes: worker.memoryBytes } : {}),
    ...(worker.maxPods === undefined ? {} : { maxPods: worker.maxPods }),
    ownsContainerd: facts.ownsContainerd,
    labels: { [driverLabel]: driver },
    kubernetesVersion,
  };
  const content = Buffer.from(`${JSON.stringify(config, null, 2)}\n`);
  return [{ path: machinePaths.agentConfig, content, mode: 0o600 }];
}
