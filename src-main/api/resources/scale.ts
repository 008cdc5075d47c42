import type { Deployment, LabelSelector, Scale } from '#api/gen/types';
import { formatLabelSelector } from '../machinery/labels.ts';
import type { KubeObject } from '../machinery/object.ts';
import { invalid, type FieldError } from '../validation/errors.ts';

/** What the kinds with a scale subresource have in common. */
type Scalable = KubeObject & {
  readonly spec?: { readonly replicas?: number; readonly selector?: LabelSelector | Readonly<Record<string, string>> };
  readonly status?: Pick<NonNullable<Deployment['status']>, 'replicas'>;
};

/** The `autoscaling/v1` Scale of a Deployment, ReplicaSet, StatefulSet or ReplicationController. */
export function scaleOf(object: KubeObject): Scale {
  const { metadata, spec, status, kind } = object as Scalable;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  // A replication controller selects by a plain set of labels.
  const selector =
    kind === 'ReplicationController'
      ? { matchLabels: spec?.selector as Readonly<Record<string, string>> }
      : spec?.selector;
  const text = formatLabelSelector(selector as LabelSelector | undefined);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: spec?.replicas ?? 0 },
    status: { replicas: status?.replicas ?? 0, ...(text === '<none>' ? {} : { selector: text }) },
  };
}

/** What must hold of a Scale that is written. */
export function validateScale(scale: Scale): readonly FieldError[] {
  const replicas = scale.spec?.replicas ?? 0;
  return replicas < 0 ? [invalid('spec.replicas', replicas, 'must be greater than or equal to 0')] : [];
}

/** `object` with the number of replicas that `scale` asks for. */
export function withScale<T extends KubeObject>(object: T, scale: Scale): T {
  const { spec } = object as Scalable;
  const replicas = scale.spec?.replicas ?? 0;
  return spec?.replicas === replicas ? object : { ...object, spec: { ...spec, replicas } };
}
