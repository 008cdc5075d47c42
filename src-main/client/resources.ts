import type { GroupVersionResource } from '#api/machinery/object';

function gvr(group: string, version: string, resource: string): GroupVersionResource {
  return Object.freeze({ group, version, resource });
}

/** The resources that components ask for by name. */
export const pods = gvr('', 'v1', 'pods');
export const services = gvr('', 'v1', 'services');
export const endpoints = gvr('', 'v1', 'endpoints');
export const nodes = gvr('', 'v1', 'nodes');
export const namespaces = gvr('', 'v1', 'namespaces');
export const configMaps = gvr('', 'v1', 'configmaps');
export const secrets = gvr('', 'v1', 'secrets');
export const serviceAccounts = gvr('', 'v1', 'serviceaccounts');
export const events = gvr('', 'v1', 'events');
export const deployments = gvr('apps', 'v1', 'deployments');
export const replicaSets = gvr('apps', 'v1', 'replicasets');
export const statefulSets = gvr('apps', 'v1', 'statefulsets');
export const daemonSets = gvr('apps', 'v1', 'daemonsets');
export const controllerRevisions = gvr('apps', 'v1', 'controllerrevisions');
export const jobs = gvr('batch', 'v1', 'jobs');
export const cronJobs = gvr('batch', 'v1', 'cronjobs');
export const endpointSlices = gvr('discovery.k8s.io', 'v1', 'endpointslices');
export const podDisruptionBudgets = gvr('policy', 'v1', 'poddisruptionbudgets');
export const replicationControllers = gvr('', 'v1', 'replicationcontrollers');
export const leases = gvr('coordination.k8s.io', 'v1', 'leases');
export const clusterRoles = gvr('rbac.authorization.k8s.io', 'v1', 'clusterroles');
export const clusterRoleBindings = gvr('rbac.authorization.k8s.io', 'v1', 'clusterrolebindings');
export const networkPolicies = gvr('networking.k8s.io', 'v1', 'networkpolicies');
export const certificateSigningRequests = gvr('certificates.k8s.io', 'v1', 'certificatesigningrequests');
export const subjectAccessReviews = gvr('authorization.k8s.io', 'v1', 'subjectaccessreviews');
