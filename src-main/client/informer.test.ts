import { expect, test } from 'vitest';
import type { ConfigMap } from '#api/gen/types';
import { configMaps } from './resources.ts';
import { configMap, controllerFixture } from './testing/fixtures.ts';

function follow() {
  const fixture = controllerFixture();
  const informer = fixture.parts.informers.informer<ConfigMap>(configMaps);
  const lines: string[] = [];
  informer.addHandler({
    onAdd: (object) => lines.push(`add ${object.metadata.name}`),
    onUpdate: (_before, after) => lines.push(`update ${after.metadata.name}`),
    onDelete: (object) => lines.push(`delete ${object.metadata.name}`),
  });
  return { ...fixture, informer, lines };
}

test('lists, then follows, in order', async () => {
  const { server, informer, lines, begin } = follow();
  server.put(configMaps, configMap('a'));
  expect(informer.hasSynced).toBe(false);
  await begin();
  server.put(configMaps, configMap('b'));
  server.put(configMaps, { ...configMap('a'), data: { x: '1' } });
  server.remove(configMaps, 'default/b');
  await server.settle();
  expect(lines).toEqual(['add a', 'add b', 'update a', 'delete b']);
  expect(informer.lister.get('default/a')?.data).toEqual({ x: '1' });
});

test('a late handler hears of what is there, a disposed one of nothing more', async () => {
  const { server, informer, begin } = follow();
  server.put(configMaps, configMap('a'));
  await begin();
  const late: string[] = [];
  const registration = informer.addHandler({ onAdd: (object) => late.push(object.metadata.name ?? '') });
  registration.dispose();
  server.put(configMaps, configMap('b'));
  await server.settle();
  expect(late).toEqual(['a']);
});

test('relists when the server forgot, and reports what went meanwhile', async () => {
  const { server, clock, lines, begin, context } = follow();
  server.put(configMaps, configMap('a'));
  await begin();
  server.available = false;
  server.remove(configMaps, 'default/a');
  server.put(configMaps, configMap('b'));
  server.compact();
  await server.step(60_000);
  expect(lines).toEqual(['add a']);
  server.available = true;
  await server.step(10_000);
  expect(lines).toEqual(['add a', 'add b', 'delete a']);
  expect(context.ended).toBe(false);
  expect(clock.pendingTimers).toBe(0);
});

test('a handler that throws does not keep the others from hearing', async () => {
  const { server, informer, lines, begin } = follow();
  informer.addHandler({
    onAdd: () => {
      throw new Error('bug');
    },
  });
  server.put(configMaps, configMap('a'));
  await begin();
  server.put(configMaps, configMap('b'));
  await server.settle();
  expect(lines).toEqual(['add a', 'add b']);
});

test('indexes follow changes and share their arrays between changes', async () => {
  const { server, informer, begin } = follow();
  informer.addIndex('color', (object) => (object.data?.['color'] ? [object.data['color']] : []));
  server.put(configMaps, { ...configMap('a'), data: { color: 'red' } });
  server.put(configMaps, { ...configMap('b', 'other'), data: { color: 'red' } });
  await begin();
  const reds = informer.lister.byIndex('color', 'red');
  expect(reds.map((object) => object.metadata.name)).toEqual(['a', 'b']);
  expect(informer.lister.byIndex('color', 'red')).toBe(reds);
  server.put(configMaps, { ...configMap('a'), data: { color: 'blue' } });
  await server.settle();
  expect(informer.lister.byIndex('color', 'red')).toHaveLength(1);
  expect(informer.lister.byIndex('color', 'blue')).toHaveLength(1);
  expect(informer.lister.list('other')).toHaveLength(1);
  expect(reds).toHaveLength(2);
});
