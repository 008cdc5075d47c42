import { describe, expect, test } from 'vitest';
import type { Job, Pod } from '#api/gen/types';
import { jobs, pods } from '#client/resources';
import { meta, template, workloadFixture } from '../testing/workload-fixture.ts';
import { JobController } from './job-controller.ts';

function job(spec: Partial<Job['spec']> = {}): Job {
  const labels = { 'batch.kubernetes.io/controller-uid': 'u1' };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: meta('pi', { uid: 'u1' }),
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      selector: { matchLabels: labels },
      template: { ...template(), metadata: { labels } },
      ...spec,
    },
  };
}

function lab(initial: Job) {
  const fixture = workloadFixture();
  fixture.server.put(jobs, initial);
  const controller = new JobController(fixture.options);
  const read = (): Job => {
    const found = fixture.server.get<Job>(jobs, 'default/pi');
    if (!found) throw new Error('the job is gone');
    return found;
  };
  return {
    ...fixture,
    read,
    begin: () => fixture.begin(controller),
    all: () => fixture.server.all<Pod>(pods),
    /** Ends the oldest `count` active pods. */
    end: (phase: 'Succeeded' | 'Failed', count = 1, more: Partial<Pod['status']> = {}) => {
      for (const pod of fixture.activePods().slice(0, count)) fixture.setPod(pod, phase, false, more);
    },
    conditions: () =>
      (read().status?.conditions ?? [])
        .filter(({ status }) => status === 'True')
        .map(({ type, reason, message }) => ({ type, reason, message })),
    change: (spec: Partial<Job['spec']>) => {
      const now = read();
      fixture.server.put(jobs, { ...now, spec: { ...now.spec, ...spec } });
    },
  };
}

describe('JobController', () => {
  test('runs one pod to completion and counts it once', async () => {
    const { begin, activePods, end, pass, read, conditions, recorder, all, server } = lab(job());
    await begin();
    const [pod] = activePods();
    expect(pod?.metadata.finalizers).toEqual(['batch.kubernetes.io/job-tracking']);
    expect(read().status).toEqual({
      active: 1,
      ready: 0,
      terminating: 0,
      startTime: '2026-01-01T00:00:00Z',
      uncountedTerminatedPods: {},
    });
    end('Succeeded');
    await pass();
    const reached = { reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
    expect(conditions()).toEqual([
      { type: 'SuccessCriteriaMet', ...reached },
      { type: 'Complete', ...reached },
    ]);
    expect(read().status).toMatchObject({ succeeded: 1, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
    expect(read().status?.active).toBeUndefined();
    expect(read().status?.completionTime).toMatch(/^2026-01-01T00:00:00Z$/);
    expect(all()[0]?.metadata.finalizers).toEqual([]);
    expect(recorder.lines).toEqual([
      expect.stringMatching(/^Normal SuccessfulCreate Created pod: pi-[a-z0-9]{5}$/),
      'Normal Completed Job completed',
    ]);
    server.requests.length = 0;
    await pass(600_000);
    expect(server.requests).toEqual([]);
  });

  test('keeps parallelism pods at work until completions is reached', async () => {
    const { begin, activePods, end, pass, read, all } = lab(job({ parallelism: 3, completions: 7 }));
    await begin();
    for (const [succeeded, active] of [
      [2, 3],
      [4, 3],
      [6, 1],
    ] as const) {
      expect(activePods()).toHaveLength(3);
      end('Succeeded', 2);
      await pass();
      expect(read().status).toMatchObject({ succeeded, active });
    }
    end('Succeeded', 1);
    await pass();
    expect(read().status).toMatchObject({ succeeded: 7 });
    expect(all()).toHaveLength(7);
  });

  test('waits 10 s, then 20 s, before it replaces a failed pod, and gives up at the limit', async () => {
    const { begin, activePods, end, pass, read, conditions, recorder } = lab(job({ backoffLimit: 2 }));
    await begin();
    end('Failed');
    await pass(9_000);
    expect(read().status).toMatchObject({ failed: 1 });
    expect(activePods()).toHaveLength(0);
    await pass(1_500);
    expect(activePods()).toHaveLength(1);
    end('Failed');
    await pass(19_000);
    expect(activePods()).toHaveLength(0);
    await pass(1_500);
    expect(activePods()).toHaveLength(1);
    end('Failed');
    await pass();
    const limit = { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
    expect(conditions()).toEqual([
      { type: 'FailureTarget', ...limit },
      { type: 'Failed', ...limit },
    ]);
    expect(read().status).toMatchObject({ failed: 3 });
    expect(recorder.lines.at(-1)).toBe(`Warning ${limit.reason} ${limit.message}`);
  });

  test('an Indexed job gives each pod an index and records which are done', async () => {
    const { begin, activePods, end, pass, read } = lab(
      job({ completionMode: 'Indexed', parallelism: 5, completions: 5 }),
    );
    await begin();
    const [first] = activePods();
    expect(
      activePods()
        .map((pod) => pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'])
        .sort(),
    ).toEqual(['0', '1', '2', '3', '4']);
    expect(first?.spec.hostname).toBe('pi-0');
    expect(first?.metadata.name).toMatch(/^pi-0-[a-z0-9]{5}$/);
    expect(first?.spec.containers[0]?.env?.[0]?.name).toBe('JOB_COMPLETION_INDEX');
    end('Succeeded', 3);
    await pass();
    expect(read().status).toMatchObject({ completedIndexes: '0-2', succeeded: 3, active: 2 });
    end('Failed', 1);
    await pass(11_000);
    expect(
      activePods()
        .map(({ spec }) => spec.hostname)
        .sort(),
    ).toEqual(['pi-3', 'pi-4']);
    end('Succeeded', 2);
    await pass();
    expect(read().status).toMatchObject({ completedIndexes: '0-4', succeeded: 5, failed: 1 });
  });

  test('a deadline ends the job and its pods', async () => {
    const { begin, activePods, setPod, pass, reap, conditions, read } = lab(job({ activeDeadlineSeconds: 30 }));
    await begin();
    for (const pod of activePods()) setPod({ ...pod, spec: { ...pod.spec, nodeName: 'n1' } });
    await pass(29_000);
    expect(activePods()).toHaveLength(1);
    await pass(2_000);
    expect(activePods()).toHaveLength(0);
    expect(conditions().map(({ type }) => type)).toEqual(['FailureTarget']);
    expect(read().status).toMatchObject({ terminating: 1 });
    reap();
    await pass();
    expect(conditions()[1]).toEqual({
      type: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    });
    expect(read().status).toMatchObject({ failed: 1, terminating: 0 });
  });

  test('suspending takes the pods away without a failure, resuming starts over', async () => {
    const { begin, activePods, pass, change, read, recorder } = lab(job({ parallelism: 2, completions: 2 }));
    await begin();
    change({ suspend: true });
    await pass(5_000);
    expect(activePods()).toHaveLength(0);
    expect(read().status?.failed).toBeUndefined();
    expect(read().status?.conditions).toMatchObject([{ type: 'Suspended', status: 'True', reason: 'JobSuspended' }]);
    change({ suspend: false });
    await pass();
    expect(activePods()).toHaveLength(2);
    expect(read().status?.conditions).toMatchObject([
      { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' },
    ]);
    expect(read().status?.startTime).toBe('2026-01-01T00:00:05Z');
    expect(recorder.lines.filter((line) => /Suspended|Resumed/.test(line))).toEqual([
      'Normal Suspended Job suspended',
      'Normal Resumed Job resumed',
    ]);
  });

  test('the failure policy fails the job on an exit code and does not count an ignored one', async () => {
    const rules = [
      { action: 'FailJob', onExitCodes: { containerName: 'main', operator: 'In', values: [42] } },
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    ];
    const { begin, end, pass, read, conditions, activePods } = lab(
      job({ backoffLimit: 0, podFailurePolicy: { rules } }),
    );
    await begin();
    end('Failed', 1, { conditions: [{ type: 'DisruptionTarget', status: 'True' }] });
    await pass();
    expect(read().status?.failed).toBeUndefined();
    expect(activePods()).toHaveLength(1);
    const name = activePods()[0]?.metadata.name;
    const state = { terminated: { exitCode: 42 } };
    end('Failed', 1, {
      containerStatuses: [{ name: 'main', image: '', imageID: '', ready: false, restartCount: 0, state }],
    });
    await pass();
    expect(conditions()[1]).toEqual({
      type: 'Failed',
      reason: 'PodFailurePolicy',
      message: `Container main for pod default/${name} failed with exit code 42 matching FailJob rule at index 0`,
    });
  });

  test('pods of a deleted job are let go', async () => {
    const { begin, server, pass, reap, all, activePods } = lab(job());
    await begin();
    server.remove(jobs, 'default/pi');
    await pass();
    expect(activePods()[0]?.metadata.finalizers).toEqual([]);
    reap();
    await pass();
    expect(all()).toHaveLength(1);
  });

  test('a status write that meets a newer job counts nobody twice', async () => {
    const { begin, server, end, pass, read, change } = lab(job({ parallelism: 4, completions: 12 }));
    await begin();
    for (let i = 0; i < 6; i++) {
      end('Succeeded', 2);
      change({ activeDeadlineSeconds: 1_000 + i });
      await pass(100);
      change({ activeDeadlineSeconds: 2_000 + i });
      await pass(1_000);
    }
    expect(read().status).toMatchObject({ succeeded: 12 });
    expect(server.all(pods)).toHaveLength(12);
  });
});
