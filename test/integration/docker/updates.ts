import { describe, expect, it } from 'vitest';
import type { Service } from '#api/gen/types';
import type { DockerLab } from '../../harness/docker-lab.ts';
import { answerOf, site } from './objects.ts';

/** Most requests of one loop: it ends even when nobody stops it. */
const mostRequests = 3_000;

interface Load {
  readonly versions: ReadonlySet<string>;
  readonly requests: number;
  readonly failures: readonly string[];
}

/** A new version of what {@link servicesStory} deployed, while requests come from a pod and from the host. */
export function updatesStory(labOf: () => DockerLab): void {
  describe('a rolling update', () => {
    it('loses no request', async () => {
      const lab = labOf();
      const { spec } = await lab.get<Service>('service', 'web-node');
      const update = new AbortController();
      const [client] = await lab.pods('app=client');
      const name = client?.metadata.name ?? '';
      await lab.says(name, 'rm -f /tmp/over');
      const loads = [fromPod(lab, name), fromHost(spec.ports?.[0]?.nodePort ?? 0, update.signal)];
      await lab.apply(site('v2'));
      const volumes = [{ name: 'site', configMap: { name: 'site-v2' } }];
      await lab.ok('patch', 'deployment', 'web', '-p', JSON.stringify({ spec: { template: { spec: { volumes } } } }));
      expect(await lab.ok('rollout', 'status', 'deployment/web', '--timeout=120s')).toContain(
        'successfully rolled out',
      );
      update.abort();
      await lab.says(name, 'touch /tmp/over');
      for (const { versions, requests, failures } of await Promise.all(loads)) {
        expect(failures).toEqual([]);
        expect(versions).toEqual(new Set(['v1', 'v2']));
        expect(requests).toBeGreaterThan(20);
      }
      expect(await lab.ok('rollout', 'history', 'deployment/web')).toMatch(/\n1 .*\n2 /);
    });
  });
}

/** One request after another through the Service's name. */
async function fromPod(lab: DockerLab, name: string): Promise<Load> {
  const once = 'timeout 10 wget -qO- http://web/ 2>&1 || echo "FAILED $?"';
  const line = `i=0; while [ ! -e /tmp/over ] && [ $i -lt ${mostRequests} ]; do ${once}; i=$((i+1)); done`;
  return loadOf((await lab.says(name, line)).split('\n'));
}

/** The same through the node port on this computer, each on a connection of its own. */
async function fromHost(port: number, over: AbortSignal): Promise<Load> {
  const answers: string[] = [];
  while (!over.aborted && answers.length < mostRequests) {
    const request = { headers: { connection: 'close' }, signal: AbortSignal.timeout(10_000) };
    const answer = fetch(`http://127.0.0.1:${port}/`, request).then((response) => response.text());
    answers.push(await answer.catch((error: unknown) => `FAILED ${String(error)}`));
  }
  return loadOf(answers);
}

function loadOf(answers: readonly string[]): Load {
  return {
    versions: new Set(answers.map((answer) => answerOf(answer).version).filter((version) => /^v\d$/.test(version))),
    requests: answers.length,
    failures: answers.filter((answer) => !/ v\d /.test(answer)),
  };
}
