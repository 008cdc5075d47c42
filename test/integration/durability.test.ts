import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeList } from '#api/machinery/object';
import { Context } from '#base/context';
import { adminTransport } from '../harness/api.ts';
import { TestLab, untilGone } from '../harness/lab.ts';

const collection = '/api/v1/namespaces/default/configmaps';
const inFlight = 64;
const killAfterAcknowledged = 300;

/** `kill -9` of the host in the middle of writes, then `up`: every acknowledged object is there. */
describe('durability', () => {
  let lab: TestLab;

  beforeAll(async () => {
    lab = await TestLab.up(['--workers', '1']);
  });
  afterAll(async () => {
    await lab.destroy();
    rmSync(lab.home, { recursive: true, force: true });
  });

  it.each([1, 2, 3])('keeps every acknowledged object, round %i', async (round) => {
    const acknowledged = await writeUntilKilled(lab, round);
    expect(acknowledged.length).toBeGreaterThanOrEqual(killAfterAcknowledged);
    await untilGone(lab.facts.pid);
    await lab.upAgain();
    const transport = adminTransport(lab.facts.kubeconfig);
    const list = (await transport.request(Context.background(), { method: 'GET', path: collection })) as KubeList;
    const present = new Map(list.items.map((item) => [item.metadata.name, item.metadata.resourceVersion]));
    const lost = acknowledged.filter(({ name, resourceVersion }) => present.get(name) !== resourceVersion);
    expect(lost).toEqual([]);
    expect(new Set(present.values()).size).toBe(present.size);
  });
});

interface Acknowledged {
  readonly name: string;
  readonly resourceVersion: string;
}

async function writeUntilKilled(lab: TestLab, round: number): Promise<Acknowledged[]> {
  const transport = adminTransport(lab.facts.kubeconfig);
  const acknowledged: Acknowledged[] = [];
  let next = 0;
  let killed = false;
  const writer = async (): Promise<void> => {
    while (!killed) {
      const name = `round-${round}-${next++}`;
      try {
        const created = (await transport.request(Context.background(), {
          method: 'POST',
          path: collection,
          body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { round: String(round) } },
        })) as { metadata: { resourceVersion: string } };
        acknowledged.push({ name, resourceVersion: created.metadata.resourceVersion });
        if (acknowledged.length === killAfterAcknowledged) {
          process.kill(lab.facts.pid, 'SIGKILL');
          killed = true;
        }
      } catch (error) {
        if (!killed) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, writer));
  return acknowledged;
}
