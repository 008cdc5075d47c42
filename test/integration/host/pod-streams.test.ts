import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import type { PodExecItem } from '#contract/streams';
import type { StreamEvent } from '#contract/watches';
import { openHost, type OpenHost } from '#host/open-host';
import { temporaryHome } from '../../harness/lab.ts';

const lab = 'streams';
const where = { lab, namespace: 'default', pod: 'talker', container: 'main' };
const context = Context.background();

const talker = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'talker', namespace: 'default' },
  spec: {
    containers: [
      {
        name: 'main',
        image: 'busybox:1.37',
        command: ['sh', '-c', 'echo first words; sleep 2; echo grüße; sleep 3600'],
      },
    ],
  },
};

describe('logs and terminals of a lab, as the UI gets them', () => {
  const home = temporaryHome();
  let host: OpenHost;

  beforeAll(async () => {
    host = await openHost(home, 'headless', silentLogger, { outFolder: 'out' });
    await host.handlers.calls['lab.create'](context, { name: lab, driver: 'embedded', masters: 1, workers: 1 });
    await host.labs.settled(lab);
    const path = '/api/v1/namespaces/default/pods';
    const { status } = await host.handlers.calls['api.request'](context, { lab, method: 'POST', path, body: talker });
    expect(status).toBe(201);
  }, 60_000);
  afterAll(async () => {
    await host.stop();
    rmSync(home, { recursive: true, force: true });
  });

  async function phase(): Promise<string | undefined> {
    const path = '/api/v1/namespaces/default/pods/talker';
    const { body } = await host.handlers.calls['api.request'](context, { lab, method: 'GET', path });
    return (body as { readonly status?: { readonly phase?: string } }).status?.phase;
  }

  it('waits for its pod', async () => {
    await expect.poll(phase, { timeout: 30_000 }).toBe('Running');
  });

  it('follows a log: what was written, then what is', async () => {
    const { context: reading, cancel } = context.withCancel();
    let text = '';
    for await (const event of host.handlers.watches['pod.logs'](reading, { ...where, tailLines: 100 })) {
      if (event.type === 'ERROR') throw new Error(event.status.message);
      if (event.type === 'ADDED') text += event.object.text;
      if (text.includes('grüße')) break;
    }
    cancel();
    expect(text).toBe('first words\ngrüße\n');
  });

  it('says why there is no log', async () => {
    const events = await read(host.handlers.watches['pod.logs'](context, { ...where, pod: 'nobody', tailLines: 1 }));
    expect(events).toEqual([{ type: 'ERROR', status: expect.objectContaining({ reason: 'NotFound' }) as unknown }]);
  });

  it('runs a command, takes what is typed, and tells its exit code', async () => {
    const request = { ...where, command: ['sh'], tty: true, columns: 80, rows: 24 };
    let output = '';
    let exitCode: number | undefined;
    for await (const event of host.handlers.watches['pod.exec'](context, request)) {
      if (event.type !== 'ADDED') continue;
      const item = event.object;
      if (item.kind === 'opened') await type(item.session, 'echo sum $((20 + 22))\nexit 3\n');
      else if (item.kind === 'output') output += item.text;
      else exitCode = item.exitCode;
    }
    expect(output).toContain('sum 42');
    expect(exitCode).toBe(3);
    await expect(type('no-such-session', 'x')).rejects.toThrow('the terminal has ended');
  });

  it('says what cannot be run', async () => {
    const command = ['/no/such/program'];
    const request = { ...where, command, tty: false, columns: 80, rows: 24 };
    const items = await read<PodExecItem>(host.handlers.watches['pod.exec'](context, request));
    expect(items.at(-1)).not.toMatchObject({ object: { kind: 'exit', exitCode: 0 } });
  });

  async function type(session: string, text: string): Promise<void> {
    await host.handlers.calls['pod.exec.input'](context, { session, text });
  }

  async function read<T>(stream: AsyncIterable<StreamEvent<T>>): Promise<readonly StreamEvent<T>[]> {
    const events: StreamEvent<T>[] = [];
    for await (const event of stream) events.push(event);
    return events;
  }
});
