import type { ComponentTruth, MachineTruth } from '#contract/labs';
import type { Tone } from './pod.view-model.ts';

const parts: readonly ComponentTruth['component'][] = [
  'kube-apiserver',
  'etcd',
  'kube-scheduler',
  'kube-controller-manager',
];

/** What of a control plane does not run, and how much that is. */
export interface ControlPlaneHealth {
  /** `bad` when something that the cluster needs runs nowhere; `warn` when others do its work. */
  readonly tone: Tone;
  /** `master-2`, `kube-scheduler`: a master that is down stands for all that was on it. */
  readonly down: readonly string[];
}

function isDown(one: ComponentTruth): boolean {
  return one.state === 'crashed' || one.state === 'stopped';
}

/** Members of a store decide by majority: with half of them gone nothing is written. */
export function lacksQuorum(members: readonly ComponentTruth[]): boolean {
  return members.length > 0 && members.filter(isDown).length * 2 >= members.length;
}

export function controlPlaneHealth(
  masters: readonly MachineTruth[],
  components: readonly ComponentTruth[],
): ControlPlaneHealth {
  const killed = masters.filter((one) => one.state === 'killed' || one.state === 'stopped').map((one) => one.name);
  const alone = components.filter(
    (one) =>
      parts.includes(one.component) && isDown(one) && (one.component === 'etcd' || !killed.includes(one.machine)),
  );
  const down = [...killed, ...alone.map((one) => one.component)];
  const missing = parts.some((part) => {
    const all = components.filter((one) => one.component === part);
    return part === 'etcd' ? lacksQuorum(all) : all.length > 0 && all.every(isDown);
  });
  return { tone: missing ? 'bad' : down.length > 0 ? 'warn' : 'ok', down };
}

export interface MasterState {
  readonly tone: Tone;
  /** `Killed`, `Starting`; empty while it runs, which needs no word. */
  readonly word: string;
  readonly off: boolean;
}

export function masterState({ state }: MachineTruth): MasterState {
  switch (state) {
    case 'running':
      return { tone: 'ok', word: '', off: false };
    case 'starting':
      return { tone: 'warn', word: 'Starting', off: false };
    case 'killed':
      return { tone: 'bad', word: 'Killed', off: true };
    default:
      return { tone: 'bad', word: 'Stopped', off: true };
  }
}
