import { describe, expect, it } from 'vitest';
import type { ClientFrame } from '#contract/frames';
import { Connection, type ConnectionStatus } from './connection.ts';
import type { PortEvents } from './port.ts';

function setUp() {
  const sent: ClientFrame[] = [];
  const statuses: ConnectionStatus[] = [];
  let events: PortEvents | undefined;
  const connection = new Connection(
    (given) => {
      events = given;
      return { send: (frame) => sent.push(frame), close: () => undefined };
    },
    (status) => statuses.push(status),
  );
  const port = () => {
    if (!events) throw new Error('no port was opened');
    return events;
  };
  return { connection, sent, statuses, port };
}

describe('Connection', () => {
  it('matches answers to calls, in any order', async () => {
    const { connection, sent, port } = setUp();
    port().onOpen();
    const first = connection.call('lab.start', { lab: 'a' });
    const second = connection.call('labs.list', {});
    expect(sent.map((frame) => frame.id)).toEqual([1, 2]);
    port().onFrame({ type: 'response', id: 2, response: [] });
    port().onFrame({
      type: 'failure',
      id: 1,
      status: {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        reason: 'NotFound',
        message: 'no lab',
        code: 404,
      },
    });
    expect(await second).toEqual([]);
    await expect(first).rejects.toMatchObject({ reason: 'NotFound', message: 'no lab' });
  });

  it('gives credit for what it dealt with, and ends a stream at its error', () => {
    const { connection, sent, port } = setUp();
    port().onOpen();
    const seen: string[] = [];
    connection.watch(
      'labs',
      {},
      {
        onEvents: (events) => seen.push(...events.map((event) => event.type)),
        onEnd: (error) => seen.push(`end ${error?.reason ?? ''}`),
      },
    );
    port().onFrame({ type: 'events', id: 1, events: [{ type: 'BOOKMARK' }] });
    expect(sent.at(-1)).toEqual({ type: 'credit', id: 1, count: 1 });
    const status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      reason: 'Expired',
      code: 410,
    } as const;
    port().onFrame({ type: 'events', id: 1, events: [{ type: 'BOOKMARK' }, { type: 'ERROR', status }] });
    port().onFrame({ type: 'end', id: 1 });
    expect(seen).toEqual(['BOOKMARK', 'BOOKMARK', 'end Expired']);
  });

  it('fails what is open when the connection breaks, and at once while there is none', async () => {
    const { connection, port, statuses } = setUp();
    await expect(connection.call('labs.list', {})).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    port().onOpen();
    const call = connection.call('labs.list', {});
    const ends: (string | undefined)[] = [];
    connection.watch('labs', {}, { onEvents: () => undefined, onEnd: (error) => ends.push(error?.reason) });
    port().onClose();
    await expect(call).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    expect(ends).toEqual(['ServiceUnavailable']);
    expect(statuses).toEqual(['open', 'lost']);
  });

  it('says nothing more of a stream that was given up', () => {
    const { connection, sent, port } = setUp();
    port().onOpen();
    const seen: unknown[] = [];
    const cancel = connection.watch('labs', {}, { onEvents: (e) => seen.push(e), onEnd: (e) => seen.push(e) });
    cancel();
    expect(sent.at(-1)).toEqual({ type: 'cancel', id: 1 });
    port().onFrame({ type: 'events', id: 1, events: [{ type: 'BOOKMARK' }] });
    expect(seen).toEqual([]);
  });
});
