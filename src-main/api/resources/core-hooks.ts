import type { Container, Job, Namespace, Pod, Service } from '#api/gen/types';
import { parseQuantityNano } from '#base/quantity';
import { replaceFields, withDefaults } from '../defaults/pod.ts';

/** What a strategy does beyond keeping status and counting generations (strategies of kube-apiserver, release 1.36). */

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** How a pod ranks when a node runs short: by the requests and limits of cpu and memory. */
export function qosClass(pod: Pod): QosClass {
  const containers = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])];
  if (!containers.some(asksForAnything)) return 'BestEffort';
  return containers.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}

const ranked = ['cpu', 'memory'];
const amount = (text: string | undefined): bigint => (text === undefined ? 0n : (parseQuantityNano(text) ?? 0n));

function asksForAnything({ resources }: Container): boolean {
  return ranked.some((name) => amount(resources?.requests?.[name]) > 0n || amount(resources?.limits?.[name]) > 0n);
}

function isGuaranteed({ resources }: Container): boolean {
  return ranked.every((name) => {
    const limit = amount(resources?.limits?.[name]);
    return limit > 0n && amount(resources?.requests?.[name] ?? resources?.limits?.[name]) === limit;
  });
}

export function preparePod(pod: Pod): Pod {
  return { ...pod, status: { phase: 'Pending', qosClass: qosClass(pod) } };
}

/** The class is the API server's to tell: a status without one keeps the old. */
export function preparePodStatus(pod: Pod, old: Pod): Pod {
  const known = old.status?.qosClass;
  if (!pod.status || known === undefined || pod.status.qosClass !== undefined) return pod;
  return { ...pod, status: { ...pod.status, qosClass: known } };
}

/** A namespace is only gone when the namespace controller took its finalizer away. */
export function prepareNamespace(namespace: Namespace): Namespace {
  const finalizers = namespace.spec?.finalizers ?? [];
  if (finalizers.includes('kubernetes')) return namespace;
  return { ...namespace, spec: { ...namespace.spec, finalizers: [...finalizers, 'kubernetes'] } };
}

/** The finalizers are written through the finalize subresource only. */
export function prepareNamespaceUpdate(next: Namespace, old: Namespace): Namespace {
  return { ...next, spec: old.spec };
}

/** An update that leaves out what was allocated keeps it, as long as the service's type still has it. */
export function prepareServiceUpdate(next: Service, old: Service): Service {
  if (typeof next.spec !== 'object' || next.spec.type === 'ExternalName' || old.spec.type === 'ExternalName')
    return next;
  const { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy } = old.spec;
  const kept =
    next.spec.clusterIP === undefined && next.spec.clusterIPs === undefined
      ? withDefaults(next.spec, { clusterIP, clusterIPs })
      : next.spec;
  const addresses =
    kept.clusterIPs === undefined && kept.clusterIP !== undefined ? { ...kept, clusterIPs: [kept.clusterIP] } : kept;
  const spec = withDefaults(addresses, { ipFamilies, ipFamilyPolicy });
  const hasNodePorts =
    spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
  const ports = spec.ports?.map((port) => {
    const before = old.spec.ports?.find((one) => one.port === port.port && one.protocol === port.protocol);
    return hasNodePorts && before?.nodePort ? withDefaults(port, { nodePort: before.nodePort }) : port;
  });
  return replaceFields(next, { spec: ports ? { ...spec, ports } : spec });
}

/**
 * Unless its author chose a selector by hand, a job selects its pods by its own uid. Runs after the API server gave the
 * object its uid and name.
 */
export function prepareJob(job: Job): Job {
  if (job.spec.manualSelector || job.spec.selector || !job.spec.template) return job;
  const { uid = '', name = '' } = job.metadata;
  const { template } = job.spec;
  const labels = {
    ...template.metadata?.labels,
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  };
  return {
    ...job,
    spec: {
      ...job.spec,
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}
