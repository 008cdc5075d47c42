import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KubeList, KubeObject, WatchEvent } from '#api/machinery/object';
import { Context } from '#base/context';
import type { TransportRequest } from '#client/transport';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { InProcessTransport } from '#cluster/in-process-transport';
import { admin, openDelegates, TestApiServer } from '../../test/harness/api-server.ts';
import { ApiServer } from './api-server.ts';

const context = Context.background();
let api: TestApiServer;

beforeEach(async () => {
  api = await TestApiServer.start();
  await send({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'default' } } });
  await send({
    method: 'POST',
    path: '/api/v1/namespaces/default/serviceaccounts',
    body: { metadata: { name: 'default' } },
  });
});
afterEach(() => api.close());

const send = (request: TransportRequest): Promise<unknown> => api.transport().request(context, request);
const maps = '/api/v1/namespaces/default/configmaps';

async function createMap(
  name: string,
  data: Record<string, string> = {},
  labels: Record<string, string> = {},
): Promise<KubeObject> {
  return (await send({ method: 'POST', path: maps, body: { metadata: { name, labels }, data } })) as KubeObject;
}

async function take(frames: AsyncIterable<WatchEvent>, count: number): Promise<WatchEvent[]> {
  const taken: WatchEvent[] = [];
  for await (const frame of frames) {
    taken.push(frame);
    if (taken.length === count) break;
  }
  return taken;
}
const brief = ({ type, object }: WatchEvent): string => `${type} ${object.metadata.name ?? ''}`;

test('create fills in what the server owns, get gives it back', async () => {
  const created = await createMap('a', { k: 'v' });
  expect(created).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1', data: { k: 'v' } });
  expect(created.metadata).toMatchObject({
    name: 'a',
    namespace: 'default',
    creationTimestamp: '2026-01-01T00:00:00Z',
  });
  expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
  expect(await send({ method: 'GET', path: `${maps}/a` })).toBe(created);
});

test('names collide, are generated, and must be there', async () => {
  await createMap('a');
  await expect(createMap('a')).rejects.toMatchObject({
    reason: 'AlreadyExists',
    message: 'configmaps "a" already exists',
  });
  const generated = (await send({
    method: 'POST',
    path: maps,
    body: { metadata: { generateName: 'g-' } },
  })) as KubeObject;
  expect(generated.metadata.name).toMatch(/^g-[a-z0-9]{5}$/);
  await expect(send({ method: 'POST', path: maps, body: { metadata: {} } })).rejects.toMatchObject({
    reason: 'Invalid',
    message: 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
  });
});

test('an update with an old resourceVersion is a conflict, one without wins', async () => {
  const first = await createMap('a', { k: '1' });
  const path = `${maps}/a`;
  const second = (await send({ method: 'PUT', path, body: { ...first, data: { k: '2' } } })) as KubeObject;
  expect(Number(second.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
  await expect(send({ method: 'PUT', path, body: { ...first, data: { k: '3' } } })).rejects.toMatchObject({
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  });
  expect(await send({ method: 'PUT', path, body: { metadata: { name: 'a' }, data: { k: '4' } } })).toMatchObject({
    data: { k: '4' },
  });
});

test('an update that changes nothing writes nothing', async () => {
  const first = await createMap('a', { k: '1' });
  const again = (await send({ method: 'PUT', path: `${maps}/a`, body: first })) as KubeObject;
  expect(again.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
});

test('delete answers a Status for most kinds; what is gone is not found', async () => {
  await createMap('a');
  expect(await send({ method: 'DELETE', path: `${maps}/a` })).toMatchObject({
    kind: 'Status',
    status: 'Success',
    details: { name: 'a', kind: 'configmaps' },
  });
  await expect(send({ method: 'GET', path: `${maps}/a` })).rejects.toMatchObject({
    reason: 'NotFound',
    message: 'configmaps "a" not found',
  });
});

test('finalizers hold an object until the last one goes', async () => {
  const body = { metadata: { name: 'held', finalizers: ['example.com/hold'] } };
  await send({ method: 'POST', path: maps, body });
  const marked = (await send({ method: 'DELETE', path: `${maps}/held` })) as KubeObject;
  expect(marked.metadata).toMatchObject({ deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 });
  await send({
    method: 'PUT',
    path: `${maps}/held`,
    body: { ...marked, metadata: { ...marked.metadata, finalizers: [] } },
  });
  await expect(send({ method: 'GET', path: `${maps}/held` })).rejects.toMatchObject({ reason: 'NotFound' });
});

test('dry runs answer as if and leave nothing', async () => {
  await send({ method: 'POST', path: maps, query: { dryRun: 'All' }, body: { metadata: { name: 'ghost' } } });
  await expect(send({ method: 'GET', path: `${maps}/ghost` })).rejects.toMatchObject({ reason: 'NotFound' });
});

test('nothing is created in a namespace that does not exist', async () => {
  const path = '/api/v1/namespaces/nowhere/configmaps';
  await expect(send({ method: 'POST', path, body: { metadata: { name: 'a' } } })).rejects.toMatchObject({
    reason: 'NotFound',
    message: 'namespaces "nowhere" not found',
  });
});

test('pages show the moment of the first page', async () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await createMap(name);
  const first = (await send({ method: 'GET', path: maps, query: { limit: '2' } })) as KubeList;
  expect(first.items.map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
  expect(first.metadata.remainingItemCount).toBe(3);
  await send({ method: 'DELETE', path: `${maps}/d` });
  await createMap('f');
  const token = first.metadata.continue ?? '';
  const rest = (await send({ method: 'GET', path: maps, query: { limit: '10', continue: token } })) as KubeList;
  expect(rest.items.map(({ metadata }) => metadata.name)).toEqual(['c', 'd', 'e']);
  expect(rest.metadata).toEqual({ resourceVersion: first.metadata.resourceVersion });
});

test('a watch sees each change once, filtered by labels from its own point of view', async () => {
  const query = { labelSelector: 'on=yes' };
  const frames = await api.transport().watch(context, { method: 'GET', path: maps, query });
  const a = await createMap('a', {}, { on: 'yes' });
  await createMap('b', {}, { on: 'no' });
  await send({ method: 'PUT', path: `${maps}/a`, body: { ...a, data: { k: '1' } } });
  await send({ method: 'PUT', path: `${maps}/b`, body: { metadata: { name: 'b', labels: { on: 'yes' } } } });
  await send({ method: 'PUT', path: `${maps}/a`, body: { metadata: { name: 'a', labels: { on: 'no' } } } });
  await send({ method: 'DELETE', path: `${maps}/b` });
  expect((await take(frames, 5)).map(brief)).toEqual(['ADDED a', 'MODIFIED a', 'ADDED b', 'DELETED a', 'DELETED b']);
});

test('a watch goes on where a list ended, and two watchers share each frame', async () => {
  await createMap('before');
  const list = (await send({ method: 'GET', path: maps })) as KubeList;
  const query = { resourceVersion: list.metadata.resourceVersion };
  const one = await api.transport().watch(context, { method: 'GET', path: maps, query });
  const two = await api.transport().watch(context, { method: 'GET', path: maps, query });
  await createMap('after');
  const [[first], [second]] = await Promise.all([take(one, 1), take(two, 1)]);
  expect(first && brief(first)).toBe('ADDED after');
  expect(second).toBe(first);
});

test('WatchList: the state, then a bookmark that says so', async () => {
  await createMap('a');
  const query = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: 'true' };
  const frames = await api.transport().watch(context, { method: 'GET', path: maps, query });
  const [added, mark] = await take(frames, 2);
  expect(added && brief(added)).toBe('ADDED a');
  expect(mark?.type).toBe('BOOKMARK');
  expect(mark?.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
});

test('a stopped server ends its watches and turns requests away', async () => {
  const frames = await api.transport().watch(context, { method: 'GET', path: maps });
  await api.server.stop();
  expect(await take(frames, 1)).toEqual([]);
  await expect(send({ method: 'GET', path: maps })).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  await api.server.start(context);
  expect(await send({ method: 'GET', path: maps })).toMatchObject({ kind: 'ConfigMapList' });
});

test('two servers of one store see each other: consistent lists, conflicts and watches', async () => {
  const { clock, etcd } = api;
  const other = new ApiServer({
    ...{ name: 'kube-apiserver/other', etcd, clock, random: new SeededRandom(2), logger: silentLogger },
    serviceCidr: { base: 0, prefix: 16 },
    delegates: () => openDelegates,
    postStartHooks: [],
  });
  await other.start(context);
  const there = new InProcessTransport({ handler: other, user: admin, userAgent: 'test/2' });
  const frames = await there.watch(context, { method: 'GET', path: maps });
  const first = await createMap('a');
  const list = (await there.request(context, { method: 'GET', path: maps })) as KubeList;
  expect(list.items.map(({ metadata }) => metadata.name)).toEqual(['a']);
  await there.request(context, { method: 'PUT', path: `${maps}/a`, body: { ...first, data: { k: '1' } } });
  await expect(send({ method: 'PUT', path: `${maps}/a`, body: { ...first, data: {} } })).rejects.toMatchObject({
    reason: 'Conflict',
  });
  await send({ method: 'DELETE', path: `${maps}/a` });
  expect((await take(frames, 3)).map(brief)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
  await other.stop();
});

test('an Event is one object, whichever of its two kinds it is read as', async () => {
  const involvedObject = { kind: 'Pod', namespace: 'default', name: 'web-0' };
  const body = {
    ...{ metadata: { name: 'e' }, involvedObject, reason: 'Started', message: 'Started it', type: 'Normal', count: 1 },
    ...{ source: { component: 'kubelet', host: 'n1' } },
  };
  const newer = '/apis/events.k8s.io/v1/namespaces/default/events';
  const frames = await api.transport().watch(context, { method: 'GET', path: newer });
  await send({ method: 'POST', path: '/api/v1/namespaces/default/events', body });
  const expected = {
    ...{ apiVersion: 'events.k8s.io/v1', kind: 'Event', regarding: involvedObject, note: 'Started it' },
    ...{ deprecatedSource: { component: 'kubelet', host: 'n1' }, deprecatedCount: 1 },
  };
  expect(await send({ method: 'GET', path: `${newer}/e` })).toMatchObject(expected);
  const [frame] = await take(frames, 1);
  expect(frame).toMatchObject({ type: 'ADDED', object: expected });
  const query = { fieldSelector: 'involvedObject.name=web-0,type=Normal' };
  const list = (await send({ method: 'GET', path: '/api/v1/namespaces/default/events', query })) as KubeList;
  expect(list.items).toHaveLength(1);
});

test('unknown fields are dropped with a warning, or turned down', async () => {
  const body = { metadata: { name: 'a' }, nonsense: 1 };
  await expect(send({ method: 'POST', path: maps, query: { fieldValidation: 'Strict' }, body })).rejects.toMatchObject({
    reason: 'BadRequest',
    message:
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "nonsense"',
  });
  expect(await send({ method: 'POST', path: maps, body })).not.toHaveProperty('nonsense');
});
