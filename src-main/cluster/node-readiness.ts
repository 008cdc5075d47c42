import type { Node } from '#api/gen/types';
import type { Context } from '#base/context';
import type { ResourceClient } from '#client/client';

export function isNodeReady(node: Node): boolean {
  const ready = node.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
  const fresh = (node.spec.taints ?? []).some(
    (taint) => taint.key === 'node.kubernetes.io/not-ready' || taint.key === 'node.kubernetes.io/unreachable',
  );
  return ready === true && !fresh;
}

/** Resolves when every node of `names` is Ready and free of the taints of those that are not. Ends with `context`. */
export async function waitForNodesReady(
  context: Context,
  client: ResourceClient<Node>,
  names: readonly string[],
): Promise<void> {
  const waiting = new Set(names);
  const look = (node: Node): void => {
    const { name = '' } = node.metadata;
    if (isNodeReady(node)) waiting.delete(name);
    else if (names.includes(name)) waiting.add(name);
  };
  while (waiting.size > 0) {
    const list = await client.list(context);
    for (const node of list.items) look(node);
    if (waiting.size === 0) return;
    const scope = context.withCancel();
    try {
      for await (const event of await client.watch(scope.context, { resourceVersion: list.metadata.resourceVersion })) {
        if (event.type === 'ERROR') break;
        if (event.type === 'ADDED' || event.type === 'MODIFIED') look(event.object);
        if (waiting.size === 0) return;
      }
    } finally {
      scope.cancel();
    }
    context.check();
  }
}
