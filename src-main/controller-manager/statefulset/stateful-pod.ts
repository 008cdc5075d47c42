import type { Pod, PersistentVolumeClaim, PodTemplateSpec, StatefulSet } from '#api/gen/types';
import type { Draft } from '#client/client';
import { controllerReference } from '#client/owner-references';
import { podFromTemplate } from '../pod-control.ts';

export const revisionLabel = 'controller-revision-hash';
const podNameLabel = 'statefulset.kubernetes.io/pod-name';
const podIndexLabel = 'apps.kubernetes.io/pod-index';

function podName(set: StatefulSet, ordinal: number): string {
  return `${set.metadata.name ?? ''}-${ordinal}`;
}

/** The ordinal in a pod's name; undefined when the name is not one this set gives. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name ?? ''}-`;
  const name = pod.metadata.name ?? '';
  const digits = name.slice(prefix.length);
  return name.startsWith(prefix) && /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : undefined;
}

function claimName(set: StatefulSet, claim: PersistentVolumeClaim, ordinal: number): string {
  return `${claim.metadata.name ?? ''}-${podName(set, ordinal)}`;
}

/** `newVersionedStatefulSetPod`, release 1.36: a pod of one revision with its stable name, host name and storage. */
export function newStatefulPod(
  set: StatefulSet,
  template: PodTemplateSpec,
  revision: string,
  ordinal: number,
): Draft<Pod> {
  const draft = podFromTemplate(set, template, controllerReference(set));
  const { generateName: _generated, ...metadata } = draft.metadata;
  const name = podName(set, ordinal);
  const volumes = claimVolumes(set, ordinal);
  const replaced = new Set(volumes.map((volume) => volume.name));
  const others = (draft.spec.volumes ?? []).filter((volume) => !replaced.has(volume.name));
  return {
    ...draft,
    metadata: {
      ...metadata,
      name,
      labels: {
        ...metadata.labels,
        [podNameLabel]: name,
        [podIndexLabel]: String(ordinal),
        [revisionLabel]: revision,
      },
    },
    spec: {
      ...draft.spec,
      hostname: name,
      ...(set.spec.serviceName ? { subdomain: set.spec.serviceName } : {}),
      ...(volumes.length + others.length > 0 ? { volumes: [...volumes, ...others] } : {}),
    },
  };
}

function claimVolumes(set: StatefulSet, ordinal: number): NonNullable<Pod['spec']['volumes']> {
  return (set.spec.volumeClaimTemplates ?? []).map((claim) => ({
    name: claim.metadata.name ?? '',
    persistentVolumeClaim: { claimName: claimName(set, claim, ordinal) },
  }));
}

/** `getPersistentVolumeClaims`, release 1.36. The claims outlive pods and set: they have no owner. */
export function newClaims(set: StatefulSet, ordinal: number): readonly Draft<PersistentVolumeClaim>[] {
  return (set.spec.volumeClaimTemplates ?? []).map((claim) => ({
    ...claim,
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      ...claim.metadata,
      name: claimName(set, claim, ordinal),
      namespace: set.metadata.namespace ?? '',
      labels: { ...claim.metadata.labels, ...set.spec.selector.matchLabels },
    },
  }));
}
