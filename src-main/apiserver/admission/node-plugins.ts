import type { Node, Pod } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { forbidden } from '../storage/errors.ts';
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

/** NodeRestriction (release 1.36), its core: a kubelet writes its own Node and the pods bound to it, nothing else's. */
export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  validate: (request) => {
    const { user, served } = request;
    if (!user.groups.includes('system:nodes') || !user.name.startsWith('system:node:')) return;
    const nodeName = user.name.slice('system:node:'.length);
    if (served.resource === 'nodes' && served.group === '') restrictNode(request, nodeName);
    else if (served.resource === 'pods' && served.group === '') restrictPod(request, nodeName);
    else if (served.resource === 'leases') restrictLease(request, nodeName);
  },
};

function restrictNode({ served, name }: AdmissionRequest, nodeName: string): void {
  if (name === nodeName) return;
  throw forbidden(
    served,
    name,
    `node ${JSON.stringify(nodeName)} is not allowed to modify node ${JSON.stringify(name)}`,
  );
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
