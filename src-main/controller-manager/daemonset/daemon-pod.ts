import type { Affinity, DaemonSet, NodeSelector, Pod } from '#api/gen/types';
import type { Draft } from '#client/client';
import { controllerReference } from '#client/owner-references';
import { podFromTemplate } from '../pod-control.ts';
import { tolerationsOf } from './node-fit.ts';

export const hashLabel = 'controller-revision-hash';
const generationLabel = 'pod-template-generation';
const generationAnnotation = 'deprecated.daemonset.template.generation';

/** A pod for one node: bound to it by an affinity that the scheduler honours (`CreatePodTemplate`, release 1.36). */
export function newDaemonPod(set: DaemonSet, hash: string, nodeName: string): Draft<Pod> {
  const draft = podFromTemplate(set, set.spec.template, controllerReference(set));
  const generation = set.metadata.annotations?.[generationAnnotation];
  return {
    ...draft,
    metadata: {
      ...draft.metadata,
      labels: {
        ...draft.metadata.labels,
        [hashLabel]: hash,
        ...(generation === undefined ? {} : { [generationLabel]: generation }),
      },
    },
    spec: {
      ...draft.spec,
      affinity: onNode(draft.spec.affinity, nodeName),
      tolerations: tolerationsOf(draft.spec),
    },
  };
}

function onNode(affinity: Affinity | undefined, nodeName: string): Affinity {
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [nodeName] }];
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const required: NodeSelector = {
    nodeSelectorTerms: terms.length === 0 ? [{ matchFields }] : terms.map((term) => ({ ...term, matchFields })),
  };
  return {
    ...affinity,
    nodeAffinity: { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required },
  };
}

/** The node a daemon pod runs on, or was made for. */
export function targetNode({ spec }: Pod): string | undefined {
  if (spec.nodeName) return spec.nodeName;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const { matchFields = [] } of terms) {
    const field = matchFields.find(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    if (field?.values?.length === 1) return field.values[0];
  }
  return undefined;
}

export function isUpdated(pod: Pod, hash: string): boolean {
  return pod.metadata.labels?.[hashLabel] === hash;
}
