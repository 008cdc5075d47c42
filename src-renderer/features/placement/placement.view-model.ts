import type { ComponentTruth } from '#contract/labs';
import { lacksQuorum } from '../../state/models/master.view-model.ts';
import type { Tone } from '../../state/models/pod.view-model.ts';

/** How much room a pod gets: a box with name and state, a line, or a square of a heat map. */
export type Density = 'box' | 'chip' | 'heat';

const heatFrom = { lab: 400, node: 48 };
const chipsFrom = 24;

export function densityOf(podsInLab: number, podsOnFullestNode: number): Density {
  if (podsInLab > heatFrom.lab || podsOnFullestNode > heatFrom.node) return 'heat';
  return podsOnFullestNode > chipsFrom ? 'chip' : 'box';
}

/** Side of a heat map's square: as large as lets a node's pods be seen together. */
export function squarePx(podsOnFullestNode: number): number {
  if (podsOnFullestNode <= 160) return 17;
  return podsOnFullestNode <= 400 ? 12 : 8;
}

export interface ComponentCard {
  readonly id: string;
  readonly title: string;
  readonly tone: Tone;
  readonly state: string;
  /** `38 req/s · p99 2.1 ms` */
  readonly facts: string;
  /** Its name, when it is a member of an etcd, which can be killed and started alone. */
  readonly member?: string;
}

const titles: Readonly<Record<ComponentTruth['component'], string>> = {
  'kube-apiserver': 'API server',
  etcd: 'etcd',
  'kube-scheduler': 'Scheduler',
  'kube-controller-manager': 'Controller manager',
  kubelet: 'kubelet',
  'kube-proxy': 'kube-proxy',
  coredns: 'DNS',
};

/** What each known number is called; the order is that of the card. */
const facts: readonly (readonly [name: string, say: (value: number) => string])[] = [
  ['requestsPerSecond', (value) => `${short(value)} req/s`],
  ['p99Ms', (value) => `p99 ${short(value)} ms`],
  ['revision', (value) => `rev ${value}`],
  ['watchers', (value) => `${value} watchers`],
  ['queue', (value) => `${value} in queue`],
  ['scheduled', (value) => `${value} scheduled`],
];

const order = Object.keys(titles);

/** The parts of one master, in the order a request meets them. */
export function componentCards(components: readonly ComponentTruth[], machine: string): readonly ComponentCard[] {
  return components
    .filter((one) => one.machine === machine && one.component !== 'kubelet' && one.component !== 'kube-proxy')
    .sort((a, b) => order.indexOf(a.component) - order.indexOf(b.component))
    .map((one) => {
      const card = cardOf(one);
      if (one.component !== 'etcd') return card;
      const members = components.filter((other) => other.component === 'etcd');
      // The only member of an embedded store is no process of its own.
      const named = members.length > 1 || !one.id.startsWith('etcd/');
      return {
        ...card,
        ...(lacksQuorum(members) ? { tone: 'bad' as const } : {}),
        ...(named ? { title: one.id, member: one.id } : {}),
      };
    });
}

function cardOf(one: ComponentTruth): ComponentCard {
  const said = facts.flatMap(([name, say]) => {
    const value = one.metrics[name];
    return value === undefined ? [] : [say(value)];
  });
  const parts = one.note ? [one.note, ...said] : said;
  return {
    id: one.id,
    title: titles[one.component],
    tone: toneOf(one.state),
    state: one.state,
    facts: one.state === 'running' ? parts.slice(0, 2).join(' · ') || 'running' : one.state,
  };
}

export function toneOf(state: ComponentTruth['state']): Tone {
  if (state === 'running') return 'ok';
  return state === 'starting' || state === 'stopping' ? 'warn' : 'bad';
}

function short(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}

/** The five ticks of a lease: one goes out for each missed renewal of ten seconds. */
export function leaseTicks(ageMs: number | undefined): number {
  return ageMs === undefined ? 0 : Math.max(0, 5 - Math.floor(ageMs / 10_000));
}
