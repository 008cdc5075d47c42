import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container, Node, Pod } from '#api/gen/types';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import type { Lab } from '#cluster/lab';
import { newLabConfig, type DriverName } from '#cluster/lab-config';
import type { NewWorker } from '#cluster/lab-view';
import { startLab } from '#cluster/start-lab';
import type { RealNodeDrivers } from '#cluster/workers/worker-factory';
import type { Worker } from '#cluster/workers/worker';
import { run, untilExit, untilOutput, type Output } from '../../harness/lab.ts';
import { kubectlProgram } from '../../harness/programs.ts';
import { spawn } from 'node:child_process';

/** One driver under test. */
export interface DriverTarget {
  readonly driver: DriverName;
  /** True when what the driver needs is not here. */
  readonly skip: boolean;
  /** What kubectl shows as the node's container runtime. */
  readonly runtime: RegExp;
  /** Serves a page at `port`, and writes to its log. */
  readonly server: Container;
  readonly port: number;
  readonly page: RegExp;
  readonly log: RegExp;
  /** What a machine needs that stands for one of a person's. */
  create(folder: string): Promise<DriverSubject>;
}

export interface DriverSubject {
  readonly drivers?: RealNodeDrivers;
  readonly worker: NewWorker;
  /** What is left of ours where the node was, asked from outside. */
  traces(): Promise<readonly string[]>;
  dispose(): Promise<void>;
}

const context = Context.background();
const poll = { timeout: 60_000, interval: 200 };
const name = 'worker-1';

/** What every driver of {@link Worker} promises, seen through the API server and through the truth. In order. */
export function driverConformance(target: DriverTarget): void {
  describe.skipIf(target.skip)(`a worker: ${target.driver}`, { timeout: 180_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'drydock-driver-'));
    let subject: DriverSubject;
    let lab: Lab;
    let worker: Worker;
    const env = () => ({ PATH: process.env['PATH'], HOME: folder, KUBECONFIG: lab.kubeconfigPath });
    const kubectl = (args: readonly string[], input = ''): Promise<Output> =>
      run(kubectlProgram.path ?? '', args, { env: env(), input });
    const ok = async (...args: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await kubectl(args);
      expect(`${code} ${stderr}`).toBe('0 ');
      return stdout.trim();
    };
    const node = async (): Promise<Node> => JSON.parse(await ok('get', 'node', name, '-o', 'json')) as Node;
    const believedReady = async (): Promise<string | undefined> =>
      (await node()).status?.conditions?.find((one) => one.type === 'Ready')?.status;
    const machine = async () => (await lab.truths()).find((one) => one.kind === 'machine' && one.name === name);
    const pod = async (): Promise<Pod> => JSON.parse(await ok('get', 'pod', 'web', '-o', 'json')) as Pod;
    const container = async () => (await pod()).status?.containerStatuses?.[0];
    const serves = () => expect.poll(() => ok('get', 'pod', 'web', '--no-headers'), poll).toMatch(/web +1\/1 +Running/);
    const start = async (): Promise<void> => {
      await lab.startWorker(context, name);
      await expect.poll(believedReady, poll).toBe('True');
    };
    const renewed = () => ok('get', 'lease', '-n', 'kube-node-lease', name, '-o', 'jsonpath={.spec.renewTime}');

    beforeAll(async () => {
      subject = await target.create(folder);
      const { driver } = target;
      const { drivers } = subject;
      lab = await startLab(context, {
        config: newLabConfig({ name: 'drivers', driver, masters: 1, workers: 0, nowMs: new RealClock().now() }),
        ...{ folder, clock: new RealClock(), logger: silentLogger, ...(drivers ? { drivers } : {}) },
        onSteps: () => undefined,
        onConfig: () => undefined,
      });
    }, 180_000);
    afterAll(async () => {
      await lab?.stop();
      await subject?.dispose();
      rmSync(folder, { recursive: true, force: true });
    }, 120_000);

    test('becomes Ready, and says what it is', async () => {
      expect(await lab.addWorker(context, { ...subject.worker, name })).toBe(name);
      worker = lab.worker(name);
      expect(worker.state).toBe('running');
      const { metadata, spec, status } = await node();
      expect(metadata.labels).toMatchObject({ 'drydock.dev/driver': target.driver, 'kubernetes.io/hostname': name });
      expect(status?.nodeInfo?.containerRuntimeVersion).toMatch(target.runtime);
      expect(status?.addresses).toContainEqual({ type: 'InternalIP', address: worker.address });
      expect(spec?.podCIDR).toMatch(/^10\.244\.\d+\.0\/24$/);
      expect(await machine()).toMatchObject({ state: 'running' });
      await expect
        .poll(async () => (await worker.components(context)).map((one) => `${one.name} ${one.state}`), poll)
        .toEqual([`kubelet/${name} running`, `kube-proxy/${name} running`]);
    });

    test('runs a pod, whose logs, commands and ports are reached through the API server', async () => {
      const web = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: {} };
      const spec = { terminationGracePeriodSeconds: 1, containers: [target.server] };
      expect(await kubectl(['create', '-f', '-'], JSON.stringify({ ...web, spec }))).toMatchObject({ stderr: '' });
      await serves();
      expect((await pod()).spec.nodeName).toBe(name);
      await expect.poll(() => ok('logs', 'web'), poll).toMatch(target.log);
      expect(await kubectl(['exec', 'web', '--', 'sh', '-c', 'echo out; exit 3'])).toMatchObject({
        code: 3,
        stdout: 'out\n',
      });
      const args = ['port-forward', 'pod/web', `:${target.port}`];
      const forward = spawn(kubectlProgram.path ?? '', args, { env: env(), stdio: ['ignore', 'pipe', 'pipe'] });
      const port = /127\.0\.0\.1:(\d+) ->/.exec(await untilOutput(forward, /127\.0\.0\.1:\d+ ->/))?.[1];
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toMatch(target.page);
      const ended = untilExit(forward);
      forward.kill();
      await ended;
    });

    test('started again while it runs, goes on as it was', async () => {
      const before = await container();
      await start();
      expect(await container()).toEqual(before);
    });

    test('killed: the truth is known at once, the API server still believes', async ({ skip }) => {
      const { uid } = (await node()).metadata;
      const before = worker.sinceMs;
      try {
        await lab.killWorker(context, name);
      } catch (error) {
        expect(error).toMatchObject({ code: 'UNSUPPORTED' });
        return skip(`no driver can kill a machine reached by ${target.driver}`);
      }
      expect(worker.state).toBe('killed');
      expect(worker.sinceMs).toBeGreaterThan(before);
      expect(await machine()).toMatchObject({ state: 'killed' });
      for (const { state } of await worker.components(context)) expect(state).toMatch(/^(stopped|crashed)$/);
      expect(await believedReady()).toBe('True');
      expect(await ok('get', 'pod', 'web', '--no-headers')).toMatch(/web +1\/1 +Running +0/);
      expect((await kubectl(['logs', 'web'])).stderr).toMatch(/dial tcp .*:10250: i\/o timeout/);
      const lease = await renewed();
      await start();
      await expect.poll(renewed, poll).not.toBe(lease);
      expect((await node()).metadata.uid).toBe(uid);
      await expect.poll(async () => (await container())?.restartCount, poll).toBe(1);
      await serves();
    });

    test('stopped and started: the Node is the same, and its pod comes back', async () => {
      const [before, pods] = [await node(), await pod()];
      await worker.stop(context);
      expect(worker.state).toBe('stopped');
      expect(await machine()).toMatchObject({ state: 'stopped' });
      await worker.stop(context);
      await start();
      expect((await node()).metadata.uid).toBe(before.metadata.uid);
      expect((await node()).spec?.podCIDR).toBe(before.spec?.podCIDR);
      await serves();
      expect((await pod()).metadata.uid).toBe(pods.metadata.uid);
      await expect.poll(() => ok('exec', 'web', '--', 'echo', 'again'), poll).toBe('again');
    });

    test('removed: nothing of it is left, neither here nor there', async () => {
      await lab.deleteWorker(context, name);
      expect((await kubectl(['get', 'node', name])).stderr).toContain(`nodes "${name}" not found`);
      expect(() => lab.worker(name)).toThrow(/there is no node worker-1/);
      expect(await subject.traces()).toEqual([]);
    });
  });
}
