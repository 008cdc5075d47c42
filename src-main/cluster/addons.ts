import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { clusterRoleBindings, clusterRoles, daemonSets, deployments } from '#client/resources';
import { RestClient } from '#client/rest-client';
import type { Transport } from '#client/transport';
import { dnsAddons, dnsDaemonSet, dnsDeployment, type Addon } from './dns-addon.ts';

/** Which kinds of nodes a lab has. */
export interface NodeKinds {
  readonly simulated: boolean;
  readonly real: boolean;
}

/** What the network agents of real nodes may do: read what decides about packets, and annotate Nodes. */
function networkAgentAccess(): readonly Addon[] {
  const name = 'system:drydock-network';
  const rbac = 'rbac.authorization.k8s.io';
  const read = ['get', 'list', 'watch'];
  const rules = [
    { apiGroups: [''], resources: ['nodes'], verbs: [...read, 'patch'] },
    { apiGroups: [''], resources: ['pods', 'namespaces', 'services'], verbs: read },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
    { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: read },
    { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
  ];
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name };
  const subjects = [{ apiGroup: rbac, kind: 'User', name }];
  const apiVersion = `${rbac}/v1`;
  return [
    { resource: clusterRoles, object: { apiVersion, kind: 'ClusterRole', metadata: { name }, rules } },
    {
      resource: clusterRoleBindings,
      object: { apiVersion, kind: 'ClusterRoleBinding', metadata: { name }, roleRef, subjects },
    },
  ];
}

/**
 * Creates what is missing, as `kubeadm init phase addon` does; what a person changed stays as it is. Cluster DNS runs in the way of
 * each kind of node the lab has, and not in the way of a kind it has not: its pods would wait for ever.
 */
export async function installAddons(context: Context, admin: Transport, kinds: NodeKinds): Promise<void> {
  const client = new RestClient(admin);
  for (const addon of [...dnsAddons, ...networkAgentAccess()]) await ensure(context, client, addon, true);
  await ensure(context, client, { resource: deployments, object: dnsDeployment() }, kinds.simulated);
  await ensure(context, client, { resource: daemonSets, object: dnsDaemonSet() }, kinds.real);
}

async function ensure(context: Context, client: RestClient, addon: Addon, wanted: boolean): Promise<void> {
  const { resource, object } = addon;
  const { namespace = '', name = '' } = object.metadata;
  try {
    await client.resource(resource).get(context, namespace, name);
    if (!wanted) await client.resource(resource).delete(context, namespace, name, { propagationPolicy: 'Background' });
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error;
    if (wanted) await client.resource(resource).create(context, object);
  }
}
