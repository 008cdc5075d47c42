import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { ControlClient } from './control-client.ts';
import { ControlServer } from './control-server.ts';
import type { ContractHandlers } from './handlers.ts';

it('outlives a command that is killed in the middle of a line', async () => {
  const handlers = { calls: { 'labs.list': () => Promise.resolve([]) }, watches: {} } as unknown as ContractHandlers;
  const server = new ControlServer({ handlers, clock: new RealClock(), logger: silentLogger });
  const port = await server.listen();
  try {
    const killed = connect(port, '127.0.0.1');
    await new Promise((resolve) => killed.once('connect', resolve));
    killed.write(`${server.token}\n{"type":"call"`);
    // A reset, not an end: what the kernel sends for a process that dies with unread data.
    killed.resetAndDestroy();
    const client = await ControlClient.connect({ port, token: server.token });
    expect(await client.call('labs.list', {})).toEqual([]);
    client.close();
  } finally {
    await server.close();
  }
});
