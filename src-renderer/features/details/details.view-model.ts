import type { ContainerState, CoreV1Event, Pod } from '#api/gen/types';
import { duration, epochOf } from '../../state/models/time.view-model.ts';
import type { Tone } from '../../state/models/pod.view-model.ts';

/** `running for 4 min`, `waiting: CrashLoopBackOff`, `ended: Error, exit code 1`. */
export function containerWords(state: ContainerState | undefined, nowMs: number): { words: string; tone: Tone } {
  if (state?.running) {
    const since = epochOf(state.running.startedAt);
    return { words: since === undefined ? 'running' : `running for ${duration(nowMs - since)}`, tone: 'ok' };
  }
  if (state?.terminated) {
    const { reason, exitCode } = state.terminated;
    return { words: `ended: ${reason ?? 'unknown'}, exit code ${exitCode}`, tone: exitCode === 0 ? 'ok' : 'bad' };
  }
  const reason = state?.waiting?.reason ?? 'not started';
  const starting = ['ContainerCreating', 'PodInitializing', 'not started'].includes(reason);
  return { words: `waiting: ${reason}`, tone: starting ? 'warn' : 'bad' };
}

/** Events about one object, newest first. */
export function eventsAbout(events: readonly CoreV1Event[], uid: string, name: string): readonly CoreV1Event[] {
  // Events about nodes carry the node's name as uid (kubelet, release 1.36).
  const about = events.filter(
    (event) => event.involvedObject.uid === uid || (event.involvedObject.uid === name && name !== ''),
  );
  return about.sort((a, b) => lastOf(b) - lastOf(a));
}

export function lastOf(event: CoreV1Event): number {
  const time =
    event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
  return epochOf(time) ?? 0;
}

/** An object without what only machines read. */
export function withoutNoise<T extends { readonly metadata: object }>(object: T): T {
  const metadata = Object.fromEntries(Object.entries(object.metadata).filter(([key]) => key !== 'managedFields'));
  return { ...object, metadata };
}

/** Containers a shell can be started in, and whether now. */
export function shellTargets(pod: Pod): readonly { readonly name: string; readonly running: boolean }[] {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const runs = (name: string): boolean => statuses.some((one) => one.name === name && one.state?.running !== undefined);
  const sidecars = (pod.spec.initContainers ?? []).filter((one) => one.restartPolicy === 'Always');
  return [...pod.spec.containers, ...sidecars].map(({ name }) => ({ name, running: runs(name) }));
}
