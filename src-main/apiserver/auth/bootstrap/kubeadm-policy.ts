import type { KubeObject } from '#api/machinery/object';
import { allow, clusterRole, clusterRoleBinding, group } from './rules.ts';

/** The group that `kubeadm token create` gives its tokens. */
const bootstrappers = group('system:bootstrappers:kubeadm:default-node-token');
const requests = 'system:certificates.k8s.io:certificatesigningrequests';

/**
 * What kubeadm grants beyond the server's own policy (`phases/bootstraptoken/node` and `kubeconfig`, release 1.36): a machine
 * with a bootstrap token may ask for a kubelet's certificate, kubelets renew theirs, and kubeadm's admins are admins.
 */
export const kubeadmPolicy: readonly KubeObject[] = [
  clusterRole('kubeadm:get-nodes', [allow('get', 'core', 'nodes')]),
  clusterRoleBinding('kubeadm:get-nodes', 'kubeadm:get-nodes', [bootstrappers]),
  clusterRoleBinding('kubeadm:kubelet-bootstrap', 'system:node-bootstrapper', [bootstrappers]),
  clusterRoleBinding('kubeadm:node-autoapprove-bootstrap', `${requests}:nodeclient`, [bootstrappers]),
  clusterRoleBinding('kubeadm:node-autoapprove-certificate-rotation', `${requests}:selfnodeclient`, [
    group('system:nodes'),
  ]),
  clusterRoleBinding('kubeadm:cluster-admins', 'cluster-admin', [group('kubeadm:cluster-admins')]),
].map(withoutDefaultsLabel);

/** These are kubeadm's, not the API server's defaults. */
function withoutDefaultsLabel(object: KubeObject): KubeObject {
  return { ...object, metadata: { name: object.metadata.name ?? '' } };
}
