import type { Deployment, OwnerReference, Pod, PodDisruptionBudget, ReplicaSet, StatefulSet } from '#api/gen/types';
import type { ReplicationController } from '#api/gen/types';
import { parseGroupVersion, type KubeObject } from '#api/machinery/object';
import type { Lister } from '#client/client';
import { controllerOf } from '#client/owner-references';
import { scaledValue } from '../int-or-percent.ts';

/** The controllers whose scale counts for a budget. */
export interface ScaledOwners {
  readonly replicationControllers: Lister<ReplicationController>;
  readonly deployments: Lister<Deployment>;
  readonly replicaSets: Lister<ReplicaSet>;
  readonly statefulSets: Lister<StatefulSet>;
}

export interface ExpectedPods {
  /** How many pods there would be if nothing were wrong. */
  readonly expected: number;
  /** How many of them must stay healthy. */
  readonly desiredHealthy: number;
  /** Names of pods without a controller where a controller's scale was needed: they count for nothing. */
  readonly unmanaged: readonly string[];
}

/** Owners that people put budgets over and that have no `scale`: their resources, for the error. */
const unscaled: Readonly<Record<string, string>> = {
  DaemonSet: 'daemonsets.apps',
  Job: 'jobs.batch',
  Node: 'nodes',
};

/**
 * What `budget` asks of `pods` (`getExpectedPodCount` of the disruption controller, release 1.36). Throws when a pod's
 * controller has no scale. Only an integer `minAvailable` needs no controllers: then pods count themselves.
 */
export function expectedPods(budget: PodDisruptionBudget, pods: readonly Pod[], owners: ScaledOwners): ExpectedPods {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  if (maxUnavailable !== undefined) {
    const { expected, unmanaged } = expectedScale(pods, owners);
    return { expected, unmanaged, desiredHealthy: Math.max(0, expected - scaledValue(maxUnavailable, expected, 'up')) };
  }
  if (typeof minAvailable !== 'string')
    return { expected: minAvailable === undefined ? 0 : pods.length, desiredHealthy: minAvailable ?? 0, unmanaged: [] };
  const { expected, unmanaged } = expectedScale(pods, owners);
  return { expected, unmanaged, desiredHealthy: scaledValue(minAvailable, expected, 'up') };
}

function expectedScale(pods: readonly Pod[], owners: ScaledOwners): Pick<ExpectedPods, 'expected' | 'unmanaged'> {
  const seen = new Set<string>();
  const replicas = new Map<string, number>();
  const unmanaged: string[] = [];
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (!owner) unmanaged.push(pod.metadata.name ?? '');
    if (!owner || seen.has(owner.uid)) continue;
    seen.add(owner.uid);
    const scaled = scaleOf(owner, pod.metadata.namespace ?? '', owners);
    if (!scaled) throw new Error(`found no controllers for pod ${JSON.stringify(pod.metadata.name ?? '')}`);
    // By the topmost owner: two ReplicaSets in the middle of a rollout are one Deployment.
    replicas.set(scaled.uid, scaled.replicas);
  }
  return { expected: [...replicas.values()].reduce((sum, count) => sum + count, 0), unmanaged };
}

interface Scale {
  readonly uid: string;
  readonly replicas: number;
}

type Scalable = KubeObject & { readonly spec?: { readonly replicas?: number } };

/** The object that decides how many pods like these there are; undefined when it is gone. */
function scaleOf(reference: OwnerReference, namespace: string, owners: ScaledOwners): Scale | undefined {
  const { group } = parseGroupVersion(reference.apiVersion);
  const same = <T extends KubeObject>(lister: Lister<T>, { name, uid }: OwnerReference): T | undefined => {
    const owner = lister.get(`${namespace}/${name}`);
    return owner?.metadata.uid === uid ? owner : undefined;
  };
  switch (`${group}/${reference.kind}`) {
    case '/ReplicationController':
      return scale(same(owners.replicationControllers, reference));
    case 'apps/StatefulSet':
      return scale(same(owners.statefulSets, reference));
    case 'apps/ReplicaSet': {
      const replicaSet = same(owners.replicaSets, reference);
      const above = replicaSet && controllerOf(replicaSet);
      return above?.kind === 'Deployment' ? scale(same(owners.deployments, above)) : scale(replicaSet);
    }
    default: {
      const resource = unscaled[reference.kind];
      if (resource !== undefined) throw new Error(`${resource} does not implement the scale subresource`);
      return undefined;
    }
  }
}

function scale(owner: Scalable | undefined): Scale | undefined {
  return owner && { uid: owner.metadata.uid ?? '', replicas: owner.spec?.replicas ?? 1 };
}
