import { describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import type { ContainerConfig } from '../cri.ts';
import { SimulatedRuntime } from './runtime.ts';
import { MemoryNetwork } from './testing/memory-network.ts';

const background = Context.background();

function fixture(): { clock: SteppedClock; network: MemoryNetwork; runtime: SimulatedRuntime } {
  const clock = new SteppedClock();
  const network = new MemoryNetwork();
  const runtime = new SimulatedRuntime({ clock, random: new SeededRandom(1), logger: silentLogger, network });
  return { clock, network, runtime };
}

function container(image: string, ...command: string[]): ContainerConfig {
  const metadata = { name: 'main', attempt: 0 };
  return {
    metadata,
    image,
    command,
    args: [],
    envs: [],
    mounts: [],
    labels: {},
    annotations: {},
    stdin: false,
    stdinOnce: false,
    tty: false,
  };
}

async function startContainer(at: ReturnType<typeof fixture>, image: string, ...command: string[]): Promise<string> {
  const { runtime, clock } = at;
  const metadata = { name: 'web', namespace: 'default', uid: 'u1', attempt: 0 };
  const sandbox = await runtime.runPodSandbox(background, {
    metadata,
    hostname: 'web',
    labels: {},
    annotations: {},
    network: 'POD',
  });
  const pull = runtime.pullImage(background, image);
  await clock.step(10_000);
  await pull;
  const id = await runtime.createContainer(background, sandbox, container(image, ...command));
  await runtime.startContainer(background, id);
  return id;
}

async function logText(runtime: SimulatedRuntime, id: string): Promise<string> {
  let text = '';
  for await (const record of await runtime.containerLog(background, id, { follow: false })) {
    text += `${Buffer.from(record.text).toString('utf8')}\n`;
  }
  return text;
}

describe('SimulatedRuntime', () => {
  it('serves the welcome page of nginx on the pod IP and logs the access', async () => {
    const at = fixture();
    const id = await startContainer(at, 'nginx');
    const { podSandboxId } = await at.runtime.containerStatus(background, id);
    const { ip = '' } = await at.runtime.podSandboxStatus(background, podSandboxId);
    const socket = await at.network.host.dial(background, { ip, port: 80 });
    await socket.write(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    let answer = '';
    for await (const chunk of socket.incoming) answer += Buffer.from(chunk).toString('utf8');
    expect(answer).toContain('HTTP/1.1 200 OK\r\nServer: nginx/1.27');
    expect(answer).toContain('<title>Welcome to nginx!</title>');
    expect(await logText(at.runtime, id)).toContain('"GET / HTTP/1.1" 200 615');
    await at.runtime.stopContainer(background, id, 30);
    expect(await at.runtime.containerStatus(background, id)).toMatchObject({ exitCode: 0, reason: 'Completed' });
  });

  it('kills what ignores SIGTERM when the grace period ends', async () => {
    const at = fixture();
    const id = await startContainer(at, 'busybox', 'sleep', '3600');
    let stopped = false;
    const stopping = at.runtime.stopContainer(background, id, 30).then(() => (stopped = true));
    await at.clock.step(29_000);
    expect(stopped).toBe(false);
    await at.clock.step(1_000);
    await stopping;
    expect(await at.runtime.containerStatus(background, id)).toMatchObject({ exitCode: 137, reason: 'Error' });
  });

  it('says in containerd words why an image cannot be pulled', async () => {
    const { runtime } = fixture();
    await expect(runtime.pullImage(background, 'no-such-image')).rejects.toMatchObject({
      code: 'Unknown',
      message: expect.stringContaining('pull access denied, repository does not exist or may require authorization'),
    });
    await expect(runtime.pullImage(background, 'nginx:1.161')).rejects.toMatchObject({
      message:
        'failed to pull and unpack image "docker.io/library/nginx:1.161": failed to resolve reference "docker.io/library/nginx:1.161": docker.io/library/nginx:1.161: not found',
    });
    await expect(runtime.pullImage(background, 'Bad_Name')).rejects.toMatchObject({ code: 'InvalidArgument' });
  });

  it('fails the start of a command that is not there', async () => {
    const at = fixture();
    await expect(startContainer(at, 'busybox', 'nope')).rejects.toMatchObject({
      message: expect.stringContaining('exec: "nope": executable file not found in $PATH: unknown'),
    });
  });

  it('loses every container in a reset and keeps its images', async () => {
    const at = fixture();
    await startContainer(at, 'nginx');
    at.runtime.reset();
    expect(await at.runtime.listContainers(background)).toEqual([]);
    expect(await at.runtime.listPodSandboxes(background)).toEqual([]);
    expect(await at.runtime.listImages()).toHaveLength(1);
  });
});
