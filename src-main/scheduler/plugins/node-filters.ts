import type { Pod, Taint, Toleration } from '#api/gen/types';
import { tolerates } from '#client/taints';
import type { FilterPlugin, Rejection, ScorePlugin } from '../framework.ts';
import { normalize } from '../framework.ts';
import { hostPortsOf, type HostPort, type NodeState } from '../node-state.ts';

const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

function refuse(reason: string, unresolvable: boolean): Rejection {
  return Object.freeze({ reasons: [reason], unresolvable });
}

/** kube-scheduler `plugins/nodeunschedulable`, release 1.36. */
export const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  events: ['NodeAdd', 'NodeTaint'],
  prepare: (pod) => {
    if (tolerates(pod.spec.tolerations, unschedulableTaint)) return undefined;
    const rejection = refuse('node(s) were unschedulable', true);
    return (state) => (state.node?.spec.unschedulable ? rejection : undefined);
  },
};

/** kube-scheduler `plugins/nodename`, release 1.36. */
export const nodeName: FilterPlugin = {
  name: 'NodeName',
  events: ['NodeAdd'],
  prepare: ({ spec }) => {
    if (!spec.nodeName) return undefined;
    const rejection = refuse("node(s) didn't match the requested node name", true);
    return (state) => (state.name === spec.nodeName ? undefined : rejection);
  },
};

/** kube-scheduler `plugins/tainttoleration`, release 1.36: since 1.35 the reason no longer names the taint. */
export const taintToleration: FilterPlugin & ScorePlugin = {
  name: 'TaintToleration',
  events: ['NodeAdd', 'NodeTaint'],
  weight: 3,
  prepare: ({ spec }) => {
    const rejection = refuse('node(s) had untolerated taint(s)', true);
    return (state) => (findUntolerated(state, spec.tolerations) ? rejection : undefined);
  },
  score: ({ spec }, nodes) => {
    const relevant = (spec.tolerations ?? []).filter(({ effect }) => !effect || effect === 'PreferNoSchedule');
    const preferNot = (taint: Taint): boolean => taint.effect === 'PreferNoSchedule' && !tolerates(relevant, taint);
    const raw = nodes.map((state) => (state.node?.spec.taints ?? []).filter(preferNot).length);
    return normalize(raw, true);
  },
};

function findUntolerated(state: NodeState, tolerations: readonly Toleration[] | undefined): Taint | undefined {
  return state.node?.spec.taints?.find(
    (taint) => (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerates(tolerations, taint),
  );
}

/** kube-scheduler `plugins/nodeports`, release 1.36. */
export const nodePorts: FilterPlugin = {
  name: 'NodePorts',
  events: ['NodeAdd', 'AssignedPodDelete'],
  prepare: (pod) => {
    const wanted = hostPortsOf(pod);
    if (wanted.length === 0) return undefined;
    const rejection = refuse("node(s) didn't have free ports for the requested pod ports", false);
    return (state) => (takesOneOf(state, wanted) ? rejection : undefined);
  },
};

function takesOneOf(state: NodeState, wanted: readonly HostPort[]): boolean {
  for (const pod of state.pods.values()) {
    for (const taken of hostPortsOf(pod)) if (wanted.some((port) => clash(port, taken))) return true;
  }
  return false;
}

function clash(a: HostPort, b: HostPort): boolean {
  const sameAddress = a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0';
  return a.port === b.port && a.protocol === b.protocol && sameAddress;
}

const mebibyte = 1024 * 1024;

/** kube-scheduler `plugins/imagelocality`, release 1.36. */
export const imageLocality: ScorePlugin = {
  name: 'ImageLocality',
  weight: 1,
  score: (pod: Pod, nodes) => {
    const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
    const images = containers.map(({ image = '' }) => (/:[^/]*$/.test(image) ? image : `${image}:latest`));
    const min = 23 * mebibyte;
    const max = 1000 * mebibyte * Math.max(1, containers.length);
    // An image that most nodes have says little for any one of them.
    const share = new Map(
      images.map((image) => [image, nodes.filter((state) => state.imageBytes(image)).length / nodes.length]),
    );
    return nodes.map((state) => {
      const sum = images.reduce((bytes, image) => bytes + (state.imageBytes(image) ?? 0) * (share.get(image) ?? 0), 0);
      return Math.floor((100 * (Math.min(Math.max(sum, min), max) - min)) / (max - min));
    });
  },
};
