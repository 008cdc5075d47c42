import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KubeList, KubeObject, WatchEvent } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { WriteRecord } from '#base/cause';
import { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { Transport } from '#client/transport';
import { revision } from '#etcd/client';
import { TestApiServer } from '../../harness/api-server.ts';

/** A way to one API server, opened anew for each test. */
export interface TransportTarget {
  readonly transport: Transport;
  close(): Promise<void>;
}

const background = Context.background();
const namespaces = '/api/v1/namespaces';
const maps = '/api/v1/namespaces/default/configmaps';

/** What every {@link Transport} promises, asked of an API server with a store of its own. */
export function transportSuite(name: string, open: (api: TestApiServer) => Promise<TransportTarget>): void {
  describe(`Transport: ${name}`, () => {
    let api: TestApiServer;
    let target: TransportTarget;
    const send = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, context = background) =>
      target.transport.request(context, { method, path, ...(body === undefined ? {} : { body }) });
    const makeMap = async (mapName: string) =>
      (await send('POST', maps, { metadata: { name: mapName } })) as KubeObject;

    beforeEach(async () => {
      api = await TestApiServer.start();
      target = await open(api);
      await send('POST', namespaces, { metadata: { name: 'default' } });
    });
    afterEach(async () => {
      await target.close();
      await api.close();
    });

    test('answers are decoded and frozen all the way down', async () => {
      const made = await makeMap('a');
      expect(made).toMatchObject({ kind: 'ConfigMap', metadata: { name: 'a' } });
      expect(Object.isFrozen(made) && Object.isFrozen(made.metadata)).toBe(true);
      const list = (await send('GET', maps)) as KubeList;
      expect(list.items.map(({ metadata }) => metadata.name)).toContain('a');
      expect(Object.isFrozen(list.items)).toBe(true);
    });

    test('query and content type arrive', async () => {
      await makeMap('a');
      await makeMap('b');
      const query = { fieldSelector: 'metadata.name=b' };
      const list = (await target.transport.request(background, { method: 'GET', path: maps, query })) as KubeList;
      expect(list.items.map(({ metadata }) => metadata.name)).toEqual(['b']);
      const contentType = 'application/merge-patch+json';
      const body = { data: { k: 'v' } };
      const request = { method: 'PATCH', path: `${maps}/a`, contentType, body } as const;
      expect(await target.transport.request(background, request)).toMatchObject({ data: { k: 'v' } });
    });

    test('failures are StatusErrors with reason, code and details', async () => {
      const error = await send('GET', `${maps}/none`).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StatusError);
      expect(error).toMatchObject({
        reason: 'NotFound',
        code: 404,
        message: 'configmaps "none" not found',
        details: { name: 'none', kind: 'configmaps' },
      });
    });

    test('the cause of a write is kept beside its revision, and its trace is handed on', async () => {
      const cause = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
      const first = (await send('POST', maps, { metadata: { name: 'a' } }, background.withCause(cause))) as KubeObject;
      const at = first.metadata.resourceVersion ?? '';
      const answering = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), revision: at };
      const second = (await send(
        'POST',
        maps,
        { metadata: { name: 'b' } },
        background.withCause(answering),
      )) as KubeObject;
      const recordAt = async ({ metadata }: KubeObject): Promise<WriteRecord> => {
        const number = revision(Number(metadata.resourceVersion));
        const [entry] = await api.etcd.records(background, number, number);
        return JSON.parse(entry?.record ?? '{}') as WriteRecord;
      };
      expect(await recordAt(first)).toMatchObject({ ...cause, user: 'admin', request: 'create configmaps default/a' });
      const record = await recordAt(second);
      expect(record).toMatchObject({ traceId: cause.traceId, spanId: answering.spanId, causedBy: at });
      expect(record.userAgent).toBe('conformance/1');
    });

    test('a context that has ended sends nothing', async () => {
      const ended = background.withCancel();
      ended.cancel();
      await expect(send('POST', maps, { metadata: { name: 'late' } }, ended.context)).rejects.toBeInstanceOf(
        CancelledError,
      );
      await expect(send('GET', `${maps}/late`)).rejects.toMatchObject({ reason: 'NotFound' });
    });

    test('a watch yields frames until the reader leaves', async () => {
      const frames = await target.transport.watch(background, { method: 'GET', path: maps });
      await makeMap('a');
      await makeMap('b');
      const seen: WatchEvent[] = [];
      for await (const frame of frames) {
        seen.push(frame);
        if (seen.length === 2) break;
      }
      expect(seen.map(({ type, object }) => `${type} ${object.metadata.name ?? ''}`)).toEqual(['ADDED a', 'ADDED b']);
      expect(seen.every(({ object }) => Object.isFrozen(object))).toBe(true);
      await expect.poll(() => api.server.metrics.watchers.get('configmaps')).toBe(0);
    });

    test('a watch that cannot be opened throws; one that cannot go on yields an ERROR', async () => {
      const path = '/api/v1/namespaces/default/nothings';
      await expect(target.transport.watch(background, { method: 'GET', path })).rejects.toMatchObject({
        reason: 'NotFound',
      });
      // A restarted server knows the present only.
      await makeMap('a');
      await api.server.stop();
      await api.server.start(background);
      const query = { resourceVersion: '1' };
      const frames = await target.transport.watch(background, { method: 'GET', path: maps, query });
      const seen: WatchEvent[] = [];
      for await (const frame of frames) seen.push(frame);
      expect(seen).toMatchObject([{ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }]);
    });

    test('ending the context closes the watch', async () => {
      const life = background.withCancel();
      const frames = await target.transport.watch(life.context, { method: 'GET', path: maps });
      const reading = (async () => {
        for await (const frame of frames) void frame;
      })();
      life.cancel();
      await expect(reading).rejects.toBeInstanceOf(CancelledError);
      await expect.poll(() => api.server.metrics.watchers.get('configmaps')).toBe(0);
    });

    test('a server that is down is ServiceUnavailable, and its watches have ended', async () => {
      const frames = await target.transport.watch(background, { method: 'GET', path: maps });
      await api.server.stop();
      for await (const frame of frames) expect(frame).toBeUndefined();
      await expect(send('GET', maps)).rejects.toMatchObject({ reason: 'ServiceUnavailable', code: 503 });
    });
  });
}
