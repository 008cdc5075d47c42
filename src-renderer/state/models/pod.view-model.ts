import type { ContainerStatus, Pod } from '#api/gen/types';

export type Tone = 'ok' | 'warn' | 'bad' | 'idle';

/** How a pod is drawn, and the word that says the same to who cannot see it. */
export interface PodLook {
  /** solid: there; dashed: coming; dotted: believed but gone; fading: going; done: finished. */
  readonly shape: 'solid' | 'dashed' | 'dotted' | 'fading' | 'done';
  readonly tone: Tone;
  /** Kubernetes' own word where it has one. */
  readonly word: string;
  /** A sentence more, when there is one. */
  readonly detail: string;
}

const startingReasons = ['ContainerCreating', 'PodInitializing'];

/** `nodeGone`: the pod's machine does not run, so whatever the API server says of the pod is only believed. */
export function podLook(pod: Pod, nodeGone: boolean): PodLook {
  const { phase, reason, message } = pod.status ?? {};
  const detail = message ?? '';
  if (phase === 'Succeeded') return { shape: 'done', tone: 'ok', word: 'Completed', detail };
  if (phase === 'Failed') return { shape: 'done', tone: 'bad', word: reason ?? failedWord(pod), detail };
  if (pod.metadata?.deletionTimestamp)
    return nodeGone
      ? { shape: 'dotted', tone: 'bad', word: 'Terminating?', detail: 'nobody is there to confirm it' }
      : { shape: 'fading', tone: 'warn', word: 'Terminating', detail };
  if (nodeGone)
    return { shape: 'dotted', tone: 'bad', word: `${phase ?? 'Unknown'}?`, detail: 'its machine does not run' };
  if (!pod.spec.nodeName && phase === 'Pending')
    return { shape: 'dashed', tone: 'warn', word: isRefused(pod) ? 'Unschedulable' : 'Pending', detail };
  const waiting = worstWaiting(pod);
  if (waiting && !startingReasons.includes(waiting.reason))
    return { shape: 'solid', tone: 'bad', word: waiting.reason, detail: waiting.message };
  if (phase !== 'Running') return { shape: 'dashed', tone: 'warn', word: initWord(pod) ?? 'Starting', detail };
  if (isReady(pod)) return { shape: 'solid', tone: 'ok', word: 'Ready', detail };
  return { shape: 'solid', tone: 'warn', word: terminatedWord(pod) ?? 'Not ready', detail };
}

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
}

/** Finished pods hold nothing any more. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

export function restarts(pod: Pod): number {
  return (pod.status?.containerStatuses ?? []).reduce((sum, one) => sum + one.restartCount, 0);
}

/** Whether the scheduler has tried, and found no node. */
export function isRefused(pod: Pod): boolean {
  return pod.status?.conditions?.some((one) => one.type === 'PodScheduled' && one.status === 'False') ?? false;
}

/** Why no node has been found yet, as the scheduler says it. */
export function waitingReason(pod: Pod): string {
  const scheduled = pod.status?.conditions?.find((one) => one.type === 'PodScheduled');
  if (pod.spec?.schedulingGates?.length) return 'held back by a scheduling gate';
  return scheduled?.message || 'waiting for the scheduler';
}

/** `web-7d4b9-x2x9k` under owner `web` becomes `web-x2x9k`: what fits a small box. */
export function shortName(name: string, ownerName: string): string {
  if (name === ownerName || !name.startsWith(`${ownerName}-`)) return name;
  const parts = name.slice(ownerName.length + 1).split('-');
  const last = parts.at(-1) ?? '';
  return `${ownerName}-${last}`;
}

function statuses(pod: Pod): readonly ContainerStatus[] {
  return [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
}

function worstWaiting(pod: Pod): { reason: string; message: string } | undefined {
  const waiting = statuses(pod).flatMap((one) => (one.state?.waiting ? [one.state.waiting] : []));
  const worst = waiting.find((one) => !startingReasons.includes(one.reason ?? '')) ?? waiting[0];
  return worst ? { reason: worst.reason ?? 'Waiting', message: worst.message ?? '' } : undefined;
}

function initWord(pod: Pod): string | undefined {
  const init = pod.status?.initContainerStatuses ?? [];
  if (init.length === 0 || !init.some((one) => one.state?.running)) return undefined;
  return `Init ${init.filter((one) => one.state?.terminated?.exitCode === 0).length}/${init.length}`;
}

function terminatedWord(pod: Pod): string | undefined {
  const ended = pod.status?.containerStatuses?.find((one) => one.state?.terminated)?.state?.terminated;
  return ended ? (ended.reason ?? `Exit ${ended.exitCode}`) : undefined;
}

function failedWord(pod: Pod): string {
  return terminatedWord(pod) ?? 'Failed';
}
