import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DockerLab } from '../../harness/docker-lab.ts';
import { dockerProgram } from '../../harness/docker.ts';
import { drydock } from '../../harness/lab.ts';
import { kubectlProgram, onPath, skipWithout } from '../../harness/programs.ts';
import { livesStory } from './lives.ts';
import { nodesStory } from './nodes.ts';
import { policiesStory } from './policies.ts';
import { servicesStory } from './services.ts';
import { streamsStory } from './streams.ts';
import { updatesStory } from './updates.ts';

const programs = [dockerProgram(), kubectlProgram, onPath('mmdebstrap', 'apt-get install mmdebstrap')];

/** One lab of three Docker workers; the stories run in order, each with what those before it left. */
describe.skipIf(skipWithout(...programs))('a lab of three Docker workers', { timeout: 180_000 }, () => {
  let lab: DockerLab;
  const labOf = (): DockerLab => lab;
  let dnsAtOnce: Readonly<Record<string, string>>;
  beforeAll(async () => {
    lab = await DockerLab.up();
    dnsAtOnce = await lab.dnsByNode();
    await lab.loadNginx();
  }, 300_000);
  afterAll(async () => {
    await lab?.lab.destroy();
  });

  it('shows nodes as what they are', async () => {
    expect(await lab.ok('get', 'nodes', '-L', 'drydock.dev/driver', '-o', 'wide')).toMatch(
      /worker-1 +Ready .* containerd:\/\/1\.\S+ +docker\n/,
    );
    const text = await lab.ok('describe', 'node', 'worker-2');
    expect(text).toMatch(/Capacity:\n +cpu: +1\n[^]* memory: +1Gi\n +pods: +110\n/);
    expect(text).toMatch(/Allocatable:\n +cpu: +1\n/);
  });

  it('has cluster DNS on every node when `up` is done', () => {
    expect(dnsAtOnce).toEqual(lab.onEveryNode('10.96.0.1'));
  });

  servicesStory(labOf);
  policiesStory(labOf);
  streamsStory(labOf);
  updatesStory(labOf);
  livesStory(labOf);
  nodesStory(labOf);

  it('leaves nothing in Docker when it is deleted', async () => {
    expect(await lab.traces()).not.toBe('');
    const { code, stderr } = await drydock(['down', '--delete', '--home', lab.lab.home]);
    expect(`${code} ${stderr}`).toMatch(/^0 /);
    expect(await lab.traces()).toBe('');
    rmSync(lab.lab.home, { recursive: true, force: true });
  });
});
