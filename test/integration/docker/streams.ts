import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '#api/gen/types';
import { soon, type DockerLab } from '../../harness/docker-lab.ts';
import { untilExit, untilOutput } from '../../harness/lab.ts';
import { pod, shell } from './objects.ts';

/** What kubectl streams to and from real containers, and how containers end that take too much. */
export function streamsStory(labOf: () => DockerLab): void {
  describe('containers', () => {
    let lab: DockerLab;
    const folder = mkdtempSync(join(tmpdir(), 'drydock-streams-'));
    beforeAll(async () => {
      lab = labOf();
      const reader = {
        ...shell('while read line; do echo "got $line"; done; echo over'),
        stdin: true,
        stdinOnce: true,
      };
      const ticker = 'trap "exit 0" TERM; i=0; while true; do echo "tick $i"; i=$((i+1)); sleep 0.2; done';
      const greedy = { ...shell('tail /dev/zero'), resources: { limits: { memory: '24Mi' } } };
      await lab.apply(
        pod('ticker', { containers: [shell(ticker)] }),
        pod('reader', { restartPolicy: 'Never', containers: [reader] }),
        pod('greedy', { restartPolicy: 'Never', containers: [greedy] }),
      );
      await lab.ok('wait', '--for=condition=Ready', 'pod/ticker', 'pod/reader', '--timeout=60s');
    });
    afterAll(async () => {
      await lab.ok('delete', 'pod', 'ticker', 'reader', 'greedy', '--wait=false');
      rmSync(folder, { recursive: true, force: true });
    });

    it('are followed in their logs', async () => {
      const following = lab.lab.start(['logs', '-f', 'ticker', '--tail=2']);
      const first = Number(/tick (\d+)/.exec(await untilOutput(following, /tick \d+\n[^]*tick \d+\n/))?.[1]);
      await untilOutput(following, new RegExp(`tick ${first + 8}\n`));
      const ended = untilExit(following);
      following.kill('SIGTERM');
      await ended;
    });

    it('run commands with input, output and exit codes', async () => {
      expect(await lab.script('ticker', 'echo out; echo err >&2; exit 7')).toMatchObject({ code: 7, stdout: 'out\n' });
      const copied = await lab.lab.ok(['exec', '-i', 'ticker', '--', 'cat'], 'one\ntwo\n');
      expect(copied).toBe('one\ntwo\n');
    });

    it('are attached to', async () => {
      const attached = lab.lab.start(['attach', '-i', 'reader']);
      const answered = untilOutput(attached, /got hello\n/);
      attached.stdin?.write('hello\n');
      await answered;
      const ended = untilExit(attached);
      attached.stdin?.end();
      expect(await ended).toBe(0);
      await expect.poll(() => lab.ok('logs', 'reader'), soon).toBe('got hello\nover\n');
    });

    it('take and give files', async () => {
      const [there, back] = [join(folder, 'there'), join(folder, 'back')];
      writeFileSync(there, Buffer.alloc(3_000_000, 'drydock '));
      await lab.ok('cp', there, 'ticker:/tmp/there');
      await lab.ok('cp', 'ticker:/tmp/there', back);
      expect(readFileSync(back).equals(readFileSync(there))).toBe(true);
    });

    it('are reached by port-forward', async () => {
      const forward = lab.lab.start(['port-forward', 'deployment/web', ':8080']);
      const port = /127\.0\.0\.1:(\d+) ->/.exec(await untilOutput(forward, /127\.0\.0\.1:\d+ -> 8080/))?.[1];
      for (let i = 0; i < 3; i++)
        expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toMatch(/^web-\S+ v\d 127\.0\.0\.1 8080\n$/);
      const ended = untilExit(forward);
      forward.kill('SIGTERM');
      await ended;
    });

    it('end as OOMKilled at their memory limit', async () => {
      const state = async () => (await lab.get<Pod>('pod', 'greedy')).status?.containerStatuses?.[0]?.state?.terminated;
      await expect.poll(state, soon).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
      expect(await lab.ok('get', 'pod', 'greedy', '--no-headers')).toMatch(/greedy +0\/1 +OOMKilled +0/);
      expect(await lab.ok('describe', 'pod', 'greedy')).toMatch(/Reason: +OOMKilled\n +Exit Code: +137\n/);
    });
  });
}
