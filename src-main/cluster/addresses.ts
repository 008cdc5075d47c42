import { formatIpv4, parseCidr } from '#base/ip';
import type { SocketAddress } from '#base/streams';
import type { LabConfig } from './lab-config.ts';

/** Ranges and addresses every lab has, whatever its drivers (kubeadm's and flannel's customs where there are any). */
export const serviceCidr = '10.96.0.0/16';
export const clusterCidr = '10.244.0.0/16';
export const kubernetesServiceIp = '10.96.0.1';
export const dnsServiceIp = '10.96.0.10';

/** The API server as pods and nodes know it: the endpoint of the `kubernetes` Service. */
export const apiAddress: SocketAddress = { ip: '172.30.0.2', port: 6443 };

/** Addresses for Services of type LoadBalancer in a lab that has no network of its own on this computer. */
const embeddedBalancerPool = { first: '172.30.255.1', last: '172.30.255.254' } as const;
/** Places in a Docker lab's subnet that no node gets. */
const [firstBalancer, lastBalancer] = [200, 254];

/** A lab with a Docker network takes them from there: this computer and every node reach them on that link. */
export function balancerPoolOf({ driver, docker }: LabConfig): { readonly first: string; readonly last: string } {
  const block = driver === 'docker' && docker ? parseCidr(docker.subnet) : undefined;
  if (!block) return embeddedBalancerPool;
  return { first: formatIpv4(block.base + firstBalancer), last: formatIpv4(block.base + lastBalancer) };
}
