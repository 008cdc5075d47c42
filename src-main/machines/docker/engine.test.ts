import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { Context } from '#base/context';
import { DockerEngine } from './engine.ts';

const folder = mkdtempSync(join(tmpdir(), 'drydock-engine-'));
let engines = 0;
const context = Context.background();
let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An engine that tells of itself what it is given. */
async function engineThatSays(version: object, info: object = {}): Promise<DockerEngine> {
  server = createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(request.url?.endsWith('/version') ? version : info));
  });
  // A socket of its own: the agent keeps connections to the one before.
  const socket = join(folder, `docker-${engines++}.sock`);
  await new Promise<void>((resolve) => server?.listen(socket, resolve));
  return new DockerEngine(socket);
}

test('an engine that is new enough tells what it has', async () => {
  const engine = await engineThatSays(
    { Version: '27.1.0', ApiVersion: '1.46', Os: 'linux', Arch: 'arm64' },
    { NCPU: 8, MemTotal: 16e9, CgroupVersion: '2' },
  );
  expect(await engine.check(context)).toMatchObject({ version: '27.1.0', arch: 'arm64', cpus: 8, cgroupVersion: 2 });
});

test('an old engine is told by its versions and the one that is needed', async () => {
  const engine = await engineThatSays({ Version: '18.09.1', ApiVersion: '1.39', Os: 'linux', Arch: 'amd64' });
  await expect(engine.check(context)).rejects.toMatchObject({
    code: 'TOO_OLD',
    message: expect.stringMatching(/18\.09\.1.*1\.39.*1\.41/) as string,
  });
});

test('an engine of Windows containers is refused', async () => {
  const engine = await engineThatSays({ Version: '27.1.0', ApiVersion: '1.46', Os: 'windows', Arch: 'amd64' });
  await expect(engine.check(context)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

test('without a socket it says what to do about it', async () => {
  const error = await new DockerEngine(join(folder, 'nothing.sock')).check(context).catch((reason: unknown) => reason);
  // Which of the two depends on this computer.
  expect(error).toMatchObject({ code: expect.stringMatching(/^(MISSING|UNREACHABLE)$/) as string });
  expect((error as Error).message).toContain(join(folder, 'nothing.sock'));
});
