import type { AuthenticationV1TokenRequest, CertificateSigningRequest, Node, Pod } from '#api/gen/types';
import { parseCertificateRequest } from '#api/certificates/certificate-request';
import { kubeApiServerClientKubelet, kubeletServing } from '#api/certificates/signers';
import type { KubeObject } from '#api/machinery/object';
import { jsonEqual } from '#base/freeze';
import { nodeNameOf } from '../auth/node-authorizer.ts';
import { forbidden, notFound } from '../storage/errors.ts';
import { forbiddenLabels } from './node-labels.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const notReady = 'node.kubernetes.io/not-ready';

/** TaintNodesByCondition (release 1.36): a new node takes no pods until its controller has seen it ready. */
export const taintNewNodes: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  admit: ({ operation, served, subresource, object }) => {
    if (operation !== 'CREATE' || served.resource !== 'nodes' || subresource) return object;
    const node = object as Node & KubeObject;
    const taints = node.spec?.taints ?? [];
    if (taints.some(({ key, effect }) => key === notReady && effect === 'NoSchedule')) return node;
    return { ...node, spec: { ...node.spec, taints: [...taints, { key: notReady, effect: 'NoSchedule' }] } };
  },
};

export type PodReader = (request: AdmissionRequest, namespace: string, name: string) => Promise<KubeObject | undefined>;

/**
 * NodeRestriction (release 1.36): a kubelet writes its own Node, but neither taints nor labels that mean something to others,
 * the pods bound to it, its lease, and asks for certificates and tokens of itself and its pods.
 */
export function nodeRestriction(readPod: PodReader): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    validate: async (request) => {
      const { user, served } = request;
      const nodeName = nodeNameOf(user);
      if (nodeName === undefined) return;
      switch (`${served.group}/${served.resource}`) {
        case '/nodes':
          return restrictNode(request, nodeName);
        case '/pods':
          return restrictPod(request, nodeName);
        case '/serviceaccounts':
          if (request.subresource === 'token') await restrictToken(request, nodeName, readPod);
          return;
        case 'coordination.k8s.io/leases':
          return restrictLease(request, nodeName);
        case 'certificates.k8s.io/certificatesigningrequests':
          return restrictSigningRequest(request);
      }
    },
  };
}

const quoted = (nodeName: string): string => `node ${JSON.stringify(nodeName)}`;

function restrictNode({ served, name, operation, object, old }: AdmissionRequest, nodeName: string): void {
  if (name !== nodeName) {
    throw forbidden(served, name, `${quoted(nodeName)} is not allowed to modify node ${JSON.stringify(name)}`);
  }
  if (operation === 'DELETE') return;
  const [next, before] = [object as Node & KubeObject, old as (Node & KubeObject) | undefined];
  const labels = forbiddenLabels(next.metadata.labels, before?.metadata.labels);
  if (labels.length > 0) {
    const what = before ? 'modify labels' : 'set the following labels';
    throw forbidden(served, name, `is not allowed to ${what}: ${labels.join(', ')}`);
  }
  if (before && !jsonEqual(next.spec?.taints ?? [], before.spec?.taints ?? [])) {
    throw forbidden(served, name, `${quoted(nodeName)} is not allowed to modify taints`);
  }
}

/** Certificates of nodes are asked for by the node itself; a machine that joins is no node yet. */
function restrictSigningRequest({ served, name, operation, object, user }: AdmissionRequest): void {
  if (operation !== 'CREATE') return;
  const { spec } = object as CertificateSigningRequest & KubeObject;
  if (spec.signerName !== kubeletServing && spec.signerName !== kubeApiServerClientKubelet) return;
  if (parseCertificateRequest(spec.request).commonName === user.name) return;
  throw forbidden(served, name, `can only create a node CSR with CommonName=${user.name}`);
}

async function restrictToken(request: AdmissionRequest, nodeName: string, readPod: PodReader): Promise<void> {
  const { served, name, namespace, object } = request;
  const { boundObjectRef: ref } = (object as AuthenticationV1TokenRequest & KubeObject).spec ?? {};
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) {
    throw forbidden(served, name, 'node requested token not bound to a pod');
  }
  if (!ref.uid) throw forbidden(served, name, 'node requested token with a pod binding without a uid');
  const pod = (await readPod(request, namespace, ref.name)) as (Pod & KubeObject) | undefined;
  if (!pod) throw notFound({ group: '', resource: 'pods' }, ref.name);
  if (pod.metadata.uid !== ref.uid) {
    const text = `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw forbidden(served, name, text);
  }
  if (pod.spec.nodeName !== nodeName) {
    throw forbidden(served, name, 'node requested token bound to a pod scheduled on a different node');
  }
}

function restrictPod({ operation, served, name, object, old }: AdmissionRequest, nodeName: string): void {
  const pod = (operation === 'UPDATE' ? (old ?? object) : object) as Pod & KubeObject;
  if (operation === 'CREATE' && pod.metadata.annotations?.['kubernetes.io/config.mirror'] === undefined) {
    const message = `pod does not have ${JSON.stringify('kubernetes.io/config.mirror')} annotation, node ${JSON.stringify(nodeName)} can only create mirror pods`;
    throw forbidden(served, name, message);
  }
  if (pod.spec.nodeName === nodeName) return;
  const verb =
    operation === 'DELETE' ? 'delete pods' : operation === 'CREATE' ? 'create pods' : 'update status for pods';
  throw forbidden(served, name, `node ${JSON.stringify(nodeName)} can only ${verb} with spec.nodeName set to itself`);
}

function restrictLease({ served, name, namespace }: AdmissionRequest, nodeName: string): void {
  if (namespace !== 'kube-node-lease') {
    throw forbidden(served, name, 'can only access leases in the "kube-node-lease" system namespace');
  }
  if (name !== nodeName) {
    throw forbidden(served, name, 'can only access node lease with the same name as the requesting node');
  }
}
