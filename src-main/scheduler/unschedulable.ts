import type { Pod, PodCondition } from '#api/gen/types';
import { formatTime, type Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { EventRecorder, KubeClient } from '#client/client';
import { pods } from '#client/resources';
import type { PreemptionPlan } from './preemption.ts';

interface Parts {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly recorder: EventRecorder;
}

/** Says in the pod's status that it fits nowhere, and where room is being made for it; nothing when it says so already. */
export async function writeUnschedulable(
  context: Context,
  { client, clock }: Parts,
  pod: Pod,
  message: string,
  nominatedNodeName: string,
): Promise<void> {
  const all = pod.status?.conditions ?? [];
  const before = all.find(({ type }) => type === 'PodScheduled');
  const sameNomination = (pod.status?.nominatedNodeName ?? '') === nominatedNodeName;
  const seen = before?.observedGeneration === pod.metadata.generation;
  const same = seen && before?.status === 'False' && before.reason === 'Unschedulable' && before.message === message;
  if (same && sameNomination) return;
  const since = before?.status === 'False' ? before.lastTransitionTime : undefined;
  const condition: PodCondition = {
    type: 'PodScheduled',
    ...observed(pod),
    status: 'False',
    lastTransitionTime: since ?? formatTime(clock.now()),
    reason: 'Unschedulable',
    message,
  };
  const conditions = [...all.filter(({ type }) => type !== 'PodScheduled'), condition];
  const status = { conditions, ...(sameNomination ? {} : { nominatedNodeName: nominatedNodeName || null }) };
  const { namespace = '', name = '', uid } = pod.metadata;
  const patch = { metadata: { uid }, status };
  await client.resource<Pod>(pods).patch(context, namespace, name, 'merge', patch, { subresource: 'status' });
}

/** Which generation of `pod` a condition speaks of. */
function observed({ metadata: { generation } }: Pod): { readonly observedGeneration?: number } {
  return generation === undefined ? {} : { observedGeneration: generation };
}

/** Takes the victims of a preemption off their node, least important first. */
export async function evictVictims(
  context: Context,
  { client, clock, recorder }: Parts,
  preemptor: Pod,
  plan: PreemptionPlan,
): Promise<void> {
  const resource = client.resource<Pod>(pods);
  const by = preemptor.spec.schedulerName ?? 'default-scheduler';
  for (const victim of plan.victims) {
    if (victim.metadata.deletionTimestamp) continue;
    const { namespace = '', name = '', uid } = victim.metadata;
    const others = (victim.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
    const condition: PodCondition = {
      type: 'DisruptionTarget',
      ...observed(victim),
      status: 'True',
      lastTransitionTime: formatTime(clock.now()),
      reason: 'PreemptionByScheduler',
      message: `${by}: preempting to accommodate a higher priority pod`,
    };
    const patch = { metadata: { uid }, status: { conditions: [...others, condition] } };
    await resource.patch(context, namespace, name, 'merge', patch, { subresource: 'status' });
    await resource.delete(context, namespace, name, uid ? { preconditions: { uid } } : {});
    const text = `Preempted by pod ${preemptor.metadata.uid ?? ''} on node ${plan.nodeName}`;
    recorder.event(victim, 'Normal', 'Preempted', text, preemptor.metadata.resourceVersion);
  }
}
