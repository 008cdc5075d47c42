import { beforeEach, expect, test } from 'vitest';
import type { Pod } from '#api/gen/types';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import type { HostStats } from '../stats/host-stats.ts';
import { StatsProvider } from '../stats/stats-provider.ts';
import { EvictionManager } from './eviction-manager.ts';

const mebi = 1024 ** 2;
const context = Context.background();

/** A node of 1 GiB with pods that use what the test says. */
class Node {
  readonly clock = new SteppedClock();
  readonly evicted: string[] = [];
  freeMebi = 500;
  diskFreeGibi = 100;
  changes = 0;
  pods: Pod[] = [];
  readonly usage = new Map<string, number>();
  readonly manager: EvictionManager;

  constructor() {
    const disk = () => ({
      ...{ capacityBytes: 200 * 1024 * mebi, availableBytes: this.diskFreeGibi * 1024 * mebi, usedBytes: 0 },
      ...{ inodes: 1000, inodesFree: 900 },
    });
    const stats: HostStats = {
      memory: () => ({ capacityBytes: 1024 * mebi, workingSetBytes: (1024 - this.freeMebi) * mebi }),
      ...{ nodeFs: disk, imageFs: disk, cpuNanoSeconds: () => 0 },
      processes: () => ({ running: 10, max: 1000 }),
      diskUsage: async (path) => (path.includes('/uid-hoarder/') ? 5 : 1),
    };
    const { clock } = this;
    const runtime = {
      containerStats: async (_context: Context, id: string) => ({
        ...{ id, metadata: { name: 'main', attempt: 0 }, timestampMs: clock.now(), cpuUsageCoreNanoSeconds: 0 },
        memoryWorkingSetBytes: (this.usage.get(id) ?? 0) * mebi,
      }),
    };
    this.manager = new EvictionManager({
      ...{ stats, clock, logger: silentLogger, pods: () => this.pods },
      provider: new StatsProvider({ nodeName: 'n', runtime, clock, stats, pods: () => this.pods }),
      evict: (pod, message) => this.evicted.push(`${pod.metadata.name}: ${message}`),
      changed: () => this.changes++,
    });
  }

  run(name: string, usedMebi: number, request?: string, priority = 0): void {
    this.usage.set(name, usedMebi);
    const resources = request ? { resources: { requests: { memory: request } } } : {};
    const status = {
      containerStatuses: [{ name: 'main', containerID: `simulator://${name}`, state: { running: {} } }],
    };
    this.pods.push({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', uid: `uid-${name}` } },
      ...{ spec: { priority, containers: [{ name: 'main', ...resources }] }, status },
    } as unknown as Pod);
  }
}

let node: Node;
beforeEach(() => {
  node = new Node();
});

test('a node with enough evicts nobody', async () => {
  node.run('greedy', 400);
  await node.manager.synchronize(context);
  expect([node.evicted, node.changes, node.manager.under('MemoryPressure')]).toEqual([[], 0, false]);
});

test('who uses more than was asked for goes first, the lower priority before the higher', async () => {
  node.run('modest', 300, '400Mi');
  node.run('important', 350, '10Mi', 1000);
  node.run('greedy', 200, '100Mi');
  node.freeMebi = 50;
  await node.manager.synchronize(context);
  expect(node.evicted).toEqual([
    'greedy: The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ' +
      'Container main was using 200Mi, request is 100Mi, has larger consumption of memory. ',
  ]);
});

test('one at a time, and what an eviction freed has to show first', async () => {
  node.run('a', 10);
  node.run('b', 20);
  node.freeMebi = 50;
  await node.manager.synchronize(context);
  await node.manager.synchronize(context);
  expect(node.evicted.map((text) => text.split(':')[0])).toEqual(['b']);
  node.pods = node.pods.slice(0, 1);
  await node.clock.step(10_000);
  await node.manager.synchronize(context);
  expect(node.evicted.map((text) => text.split(':')[0])).toEqual(['b', 'a']);
});

test('the condition stays for five minutes after the last sign of it', async () => {
  node.freeMebi = 50;
  await node.manager.synchronize(context);
  expect([node.manager.under('MemoryPressure'), node.changes]).toEqual([true, 1]);
  node.freeMebi = 500;
  await node.clock.step(299_000);
  await node.manager.synchronize(context);
  expect(node.manager.under('MemoryPressure')).toBe(true);
  await node.clock.step(1_000);
  await node.manager.synchronize(context);
  expect([node.manager.under('MemoryPressure'), node.changes]).toEqual([false, 2]);
});

test('a full disk costs the pod that filled it, and never one the node needs', async () => {
  node.run('tidy', 1);
  node.run('hoarder', 1);
  node.run('system', 1, undefined, 2_000_001_000);
  node.diskFreeGibi = 0.5;
  await node.manager.synchronize(context);
  expect(node.evicted[0]).toMatch(
    /^hoarder: The node was low on resource: ephemeral-storage\. Threshold quantity: 1Gi, available: 512Mi\. $/,
  );
});
