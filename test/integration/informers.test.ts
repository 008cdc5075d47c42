import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestLab } from '../harness/lab.ts';

const clients = 30;
const objectsEach = 20;
const namespace = 'crowd';

/** What one informer was told, in order. */
interface Seen {
  readonly type: 'add' | 'update' | 'delete';
  readonly name: string;
  readonly version: number;
}

/** 30 clients of `@kubernetes/client-node` that create, update, list and watch at once. */
describe('informers of client-node', () => {
  let lab: TestLab;

  beforeAll(async () => {
    lab = await TestLab.up(['--workers', '1']);
    await lab.ok(['create', 'namespace', namespace]);
  });
  afterAll(async () => {
    await lab.destroy();
  });

  it('lose no event and see none twice', async () => {
    const config = new KubeConfig();
    config.loadFromFile(lab.facts.kubeconfig);
    const api = config.makeApiClient(CoreV1Api);
    const list = (): ReturnType<typeof api.listNamespacedConfigMap> =>
      api.listNamespacedConfigMap({ namespace, labelSelector: 'crowd=yes' });
    const seen: Seen[][] = [];
    const informers = Array.from({ length: clients }, () => {
      const mine: Seen[] = [];
      seen.push(mine);
      const informer = makeInformer<V1ConfigMap>(
        config,
        `/api/v1/namespaces/${namespace}/configmaps`,
        list,
        'crowd=yes',
      );
      for (const type of ['add', 'update', 'delete'] as const) {
        informer.on(type, (object) => {
          mine.push({ type, name: object.metadata?.name ?? '', version: Number(object.metadata?.resourceVersion) });
        });
      }
      return informer;
    });
    await Promise.all(informers.map((informer) => informer.start()));
    const written = (await Promise.all(Array.from({ length: clients }, (_, client) => writeSome(api, client)))).flat();

    const stored = await list();
    const versions = new Map(
      stored.items.map((item) => [item.metadata?.name ?? '', Number(item.metadata?.resourceVersion)]),
    );
    expect(versions.size).toBe((clients * objectsEach) / 2);
    const total = clients * objectsEach;
    // Every object is created once and updated once, every second one is deleted.
    await expect.poll(() => seen.every((mine) => mine.length >= total * 2 + total / 2), { timeout: 60_000 }).toBe(true);
    await Promise.all(informers.map((informer) => informer.stop()));
    for (const mine of seen) check(mine, written, versions, total);
  });

  /** Resolves with what the server acknowledged, in order; it does not tell the version of a deletion. */
  async function writeSome(api: CoreV1Api, client: number): Promise<Seen[]> {
    const written: Seen[] = [];
    const note = (type: Seen['type'], { metadata }: V1ConfigMap): void => {
      written.push({ type, name: metadata?.name ?? '', version: Number(metadata?.resourceVersion) });
    };
    for (let i = 0; i < objectsEach; i++) {
      const name = `c${client}-${i}`;
      const metadata = { name, labels: { crowd: 'yes' } };
      const created = await api.createNamespacedConfigMap({ namespace, body: { metadata, data: { step: '1' } } });
      note('add', created);
      note(
        'update',
        await api.replaceNamespacedConfigMap({ namespace, name, body: { ...created, data: { step: '2' } } }),
      );
      if (i % 2 === 1) await api.deleteNamespacedConfigMap({ namespace, name });
    }
    return written;
  }
});

function check(
  mine: readonly Seen[],
  written: readonly Seen[],
  versions: ReadonlyMap<string, number>,
  total: number,
): void {
  const texts = (events: readonly Seen[]): string[] =>
    events.map(({ type, name, version }) => `${type} ${name} ${version}`).sort();
  expect(texts(mine.filter(({ type }) => type !== 'delete'))).toEqual(texts(written));
  expect(mine.filter(({ type }) => type === 'delete')).toHaveLength(total / 2);
  const last = new Map<string, Seen>();
  for (const one of mine) {
    const before = last.get(one.name);
    if (before) expect(one.version).toBeGreaterThan(before.version);
    last.set(one.name, one);
  }
  for (const [name, one] of last) {
    if (one.type === 'delete') expect(versions.has(name)).toBe(false);
    else expect(one.version).toBe(versions.get(name));
  }
}
