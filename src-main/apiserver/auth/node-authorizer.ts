import type { Pod, PodSpec } from '#api/gen/types';
import type { Context } from '#base/context';
import type { KubeObject } from '#api/machinery/object';
import { type Attributes, type Authorizer, type Decision, noOpinion } from './authorizer.ts';
import { nodeRules } from './bootstrap/component-roles.ts';
import type { ObjectReader } from './object-reader.ts';
import { ruleAllows } from './policy-rule.ts';

const nodePrefix = 'system:node:';

/** The node a kubelet's user name stands for; undefined for other users (`nodeidentifier`, release 1.36). */
export function nodeNameOf(user: Attributes['user']): string | undefined {
  if (!user.name.startsWith(nodePrefix) || !user.groups.includes('system:nodes')) return undefined;
  return user.name.slice(nodePrefix.length);
}

/**
 * What a kubelet may do (`plugin/pkg/auth/authorizer/node`, release 1.36): the node rules, but of Nodes and pods it reads its own
 * only, and of secrets, configmaps, claims and service accounts those that pods on its own node use. Which objects a node may write is admission's affair.
 */
export class NodeAuthorizer implements Authorizer {
  readonly #objects: ObjectReader;

  constructor(objects: ObjectReader) {
    this.#objects = objects;
  }

  authorize(_context: Context, attributes: Attributes): Decision {
    const nodeName = nodeNameOf(attributes.user);
    if (nodeName === undefined) return noOpinion;
    const refusal = attributes.isResourceRequest ? this.#refusal(nodeName, attributes) : '';
    if (refusal) return { verdict: 'no-opinion', reason: refusal };
    return nodeRules.some((rule) => ruleAllows(rule, attributes)) ? { verdict: 'allow', reason: '' } : noOpinion;
  }

  #refusal(nodeName: string, attributes: Attributes): string {
    const { group, resource, subresource, namespace, name, verb } = attributes;
    if (group === 'coordination.k8s.io' && resource === 'leases') {
      if (namespace !== 'kube-node-lease') return `can only access leases in the "kube-node-lease" system namespace`;
      return verb !== 'create' && name !== nodeName
        ? 'can only access node lease with the same name as the requesting node'
        : '';
    }
    if (group !== '') return '';
    if (resource === 'nodes' && ['get', 'list', 'watch'].includes(verb) && name !== nodeName) {
      return name === ''
        ? 'can only list/watch nodes with a field selector for its own name'
        : `node '${nodeName}' cannot read '${name}', only its own Node object`;
    }
    if (resource === 'pods') return this.#podRefusal(nodeName, attributes);
    const uses = references[resource];
    if (!uses || (resource === 'serviceaccounts' && subresource !== '' && subresource !== 'token')) return '';
    if (name === '') return `No Object name found`;
    const pods = this.#objects.list('', 'pods', namespace) as readonly (KubeObject & Pod)[];
    const used = pods.some((pod) => pod.spec.nodeName === nodeName && uses(pod.spec).includes(name));
    return used ? '' : `no relationship found between node '${nodeName}' and this object`;
  }

  /** A kubelet reads the pods bound to its node. One that is not there may be asked for: the answer is that it is not there. */
  #podRefusal(nodeName: string, { verb, namespace, name, fieldSelector = '' }: Attributes): string {
    if (verb === 'get') {
      const pod = this.#objects.get('', 'pods', namespace, name) as (KubeObject & Pod) | undefined;
      if (!pod || pod.spec.nodeName === nodeName) return '';
      return `no relationship found between node '${nodeName}' and this object`;
    }
    if (verb !== 'list' && verb !== 'watch') return '';
    return selectsNode(fieldSelector, nodeName) ? '' : 'can only list/watch pods with spec.nodeName field selector';
  }
}

/** Whether every object that the selector lets through is bound to that node. */
function selectsNode(fieldSelector: string, nodeName: string): boolean {
  return fieldSelector.split(',').some((part) => /^spec\.nodeName==?(.*)$/.exec(part)?.[1] === nodeName);
}

/** The names of each guarded resource that a pod uses. */
const references: Readonly<Record<string, (spec: PodSpec) => readonly (string | undefined)[]>> = {
  secrets: (spec) => [
    ...(spec.imagePullSecrets ?? []).map((reference) => reference.name),
    ...(spec.volumes ?? []).flatMap((volume) => [
      volume.secret?.secretName,
      ...(volume.projected?.sources ?? []).map((source) => source.secret?.name),
    ]),
    ...containersOf(spec).flatMap((container) => [
      ...(container.envFrom ?? []).map((source) => source.secretRef?.name),
      ...(container.env ?? []).map((variable) => variable.valueFrom?.secretKeyRef?.name),
    ]),
  ],
  configmaps: (spec) => [
    ...(spec.volumes ?? []).flatMap((volume) => [
      volume.configMap?.name,
      ...(volume.projected?.sources ?? []).map((source) => source.configMap?.name),
    ]),
    ...containersOf(spec).flatMap((container) => [
      ...(container.envFrom ?? []).map((source) => source.configMapRef?.name),
      ...(container.env ?? []).map((variable) => variable.valueFrom?.configMapKeyRef?.name),
    ]),
  ],
  persistentvolumeclaims: (spec) => (spec.volumes ?? []).map((volume) => volume.persistentVolumeClaim?.claimName),
  serviceaccounts: (spec) => [spec.serviceAccountName ?? 'default'],
};

function containersOf(spec: PodSpec): readonly PodSpec['containers'][number][] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}
