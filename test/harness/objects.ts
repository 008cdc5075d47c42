import type { Deployment, Node, Pod } from '#api/gen/types';

/** A Deployment of pods that serve HTTP, in the namespace `default`. */
export function webDeployment(name: string, replicas: number): Deployment {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'nginx' }] } },
    },
  };
}

/** `True`, `False` or `Unknown`. */
export function readyOf(object: Node | Pod): string | undefined {
  return object.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
}

/** `key:effect` of each taint. */
export function taintsOf(node: Node): string[] {
  return (node.spec.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();
}
