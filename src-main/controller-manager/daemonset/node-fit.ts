import type { DaemonSet, Node, Pod, Taint, Toleration } from '#api/gen/types';
import { matchesNodeSelectorTerm } from '#api/machinery/node-selectors';

type PodSpec = Pod['spec'];

/** What every daemon pod tolerates (`util.AddOrUpdateDaemonPodTolerations`, release 1.36): daemons run on sick nodes too. */
const daemonTolerations: readonly Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];

const networkToleration: Toleration = {
  key: 'node.kubernetes.io/network-unavailable',
  operator: 'Exists',
  effect: 'NoSchedule',
};

export function tolerationsOf(spec: PodSpec | undefined): readonly Toleration[] {
  const added = spec?.hostNetwork ? [...daemonTolerations, networkToleration] : daemonTolerations;
  const given = (spec?.tolerations ?? []).filter(
    (toleration) => !added.some(({ key, effect }) => toleration.key === key && toleration.effect === effect),
  );
  return [...given, ...added];
}

export interface Fit {
  /** A pod belongs on the node. */
  readonly shouldRun: boolean;
  /** A pod that is there already may stay: a NoSchedule taint does not drive it out. */
  readonly shouldContinue: boolean;
}

/** `NodeShouldRunDaemonPod`, release 1.36. */
export function fitOf({ spec }: DaemonSet, node: Node): Fit {
  const podSpec = spec.template.spec;
  const fitsName = !podSpec?.nodeName || podSpec.nodeName === node.metadata.name;
  if (!fitsName || !fitsNode(podSpec, node)) return { shouldRun: false, shouldContinue: false };
  const tolerations = tolerationsOf(podSpec);
  // A Node that somebody made by hand may come without a spec.
  const untolerated = (node.spec?.taints ?? []).filter((taint) => !tolerations.some((each) => tolerates(each, taint)));
  return {
    shouldRun: !untolerated.some(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute'),
    shouldContinue: !untolerated.some(({ effect }) => effect === 'NoExecute'),
  };
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return !!toleration.key && (toleration.value ?? '') === (taint.value ?? '');
}

function fitsNode(spec: PodSpec | undefined, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  for (const [key, value] of Object.entries(spec?.nodeSelector ?? {})) if (labels[key] !== value) return false;
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return !terms || terms.some((term) => matchesNodeSelectorTerm(term, { name: node.metadata.name, labels }));
}
