import type { Pod } from '#api/gen/types';
import type { Fault } from '#contract/faults';
import type { MachineTruth } from '#contract/labs';
import type { NodeHealth } from '../../state/models/node.view-model.ts';
import { isFinished, isReady } from '../../state/models/pod.view-model.ts';
import { duration } from '../../state/models/time.view-model.ts';

/** What the API server says of a node and its pods. */
export function believedWords(health: NodeHealth, pods: readonly Pod[], nowMs: number): string {
  const living = pods.filter((pod) => !isFinished(pod));
  const running = living.filter((pod) => pod.status?.phase === 'Running').length;
  const ready = living.filter(isReady).length;
  const said = `${running} ${running === 1 ? 'pod' : 'pods'} Running`;
  if (health.state === 'believed') return `node Ready, ${said}, ${ready} Ready`;
  const since = health.sinceMs === undefined ? '' : ` for ${duration(nowMs - health.sinceMs)}`;
  return `node NotReady${since}; ${said}, ${ready === 0 ? 'none' : ready} Ready${ready === 0 ? ': taken out of Services' : ''}`;
}

export interface TruthFacts {
  readonly machine: MachineTruth | undefined;
  readonly health: NodeHealth;
  /** What is broken on purpose on the node. */
  readonly faults: readonly Fault[];
  readonly nowMs: number;
}

/** What is really so. */
export function truthWords({ machine, health, faults, nowMs }: TruthFacts): string {
  if (!machine) return 'there is no such machine';
  const forSo = duration(nowMs - machine.sinceMs);
  switch (machine.state) {
    case 'killed':
    case 'stopped':
      return `${machine.state} ${forSo} ago, nothing runs`;
    case 'paused':
      return `paused ${forSo} ago: every process is frozen and answers nobody`;
    case 'unreachable':
      return `unreachable for ${forSo}: its pods may run on${machine.note ? `; ${machine.note}` : ''}`;
    default:
      break;
  }
  if (health.doubt === 'cut') return 'the machine and its pods run on; the link to the API server is cut';
  const down = faults.flatMap(({ spec, state }) =>
    state === 'active' && spec.kind === 'process' ? [spec.process] : [],
  );
  if (down.includes('kubelet')) return 'the containers run on; the kubelet is held down, so nobody reports them';
  if (down.includes('containerd'))
    return 'the containers run on; containerd is held down, so nobody can start or ask one';
  if (down.includes('network'))
    return 'the containers run on; the network agent is held down, and with it the way to the API server';
  return `the machine is ${machine.state} for ${forSo}`;
}
