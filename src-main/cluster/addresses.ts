import type { SocketAddress } from '#base/streams';

/** Ranges and addresses every lab has, whatever its drivers (kubeadm's and flannel's customs where there are any). */
export const serviceCidr = '10.96.0.0/16';
export const clusterCidr = '10.244.0.0/16';
export const kubernetesServiceIp = '10.96.0.1';
export const dnsServiceIp = '10.96.0.10';

/** The API server as pods and nodes know it: the endpoint of the `kubernetes` Service. */
export const apiAddress: SocketAddress = { ip: '172.30.0.2', port: 6443 };

/** Addresses for Services of type LoadBalancer in a lab of simulated nodes. */
export const embeddedBalancerPool = { first: '172.30.255.1', last: '172.30.255.254' } as const;
