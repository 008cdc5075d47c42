import { describe, expect, test } from 'vitest';
import type { CronJob, Job } from '#api/gen/types';
import { formatTime } from '#base/clock';
import { cronJobs, jobs } from '#client/resources';
import { meta, template, workloadFixture } from '../testing/workload-fixture.ts';
import { CronJobController } from './cron-job-controller.ts';

function cronJob(spec: Partial<CronJob['spec']> = {}): CronJob {
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: meta('tick'),
    spec: {
      schedule: '* * * * *',
      concurrencyPolicy: 'Allow',
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
      jobTemplate: { metadata: { labels: { from: 'template' } }, spec: { template: template() } },
      ...spec,
    },
  };
}

const minuteMs = 60_000;
/** Minutes since the epoch at which the fixture's clock starts. */
const startMinutes = Date.UTC(2026, 0, 1) / minuteMs;

function lab(initial: CronJob) {
  const fixture = workloadFixture();
  fixture.server.put(cronJobs, initial);
  const controller = new CronJobController(fixture.options);
  const all = (): readonly Job[] => fixture.server.all<Job>(jobs);
  return {
    ...fixture,
    all,
    begin: () => fixture.begin(controller),
    read: () => fixture.server.get<CronJob>(cronJobs, 'default/tick'),
    names: () => all().map(({ metadata }) => metadata.name),
    finish: (type: 'Complete' | 'Failed') => {
      for (const job of all()) {
        if (job.status?.conditions) continue;
        const now = formatTime(fixture.clock.now());
        const status = {
          conditions: [{ type, status: 'True' }],
          startTime: now,
          ...(type === 'Complete' ? { completionTime: now } : {}),
        };
        fixture.server.put(jobs, { ...job, status });
      }
    },
  };
}

describe('CronJobController', () => {
  test('starts a job each minute, remembers it and sees it complete', async () => {
    const { begin, pass, all, read, recorder, finish, names } = lab(cronJob());
    await begin();
    expect(all()).toEqual([]);
    await pass(minuteMs);
    const name = `tick-${startMinutes + 1}`;
    const [job] = all();
    expect(job?.metadata).toMatchObject({
      name,
      labels: { from: 'template' },
      annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:01:00Z' },
      ownerReferences: [{ kind: 'CronJob', name: 'tick', controller: true }],
    });
    expect(read()?.status).toMatchObject({
      active: [{ kind: 'Job', name, uid: job?.metadata.uid }],
      lastScheduleTime: '2026-01-01T00:01:00Z',
    });
    expect(recorder.lines).toEqual([`Normal SuccessfulCreate Created job ${name}`]);
    finish('Complete');
    await pass();
    expect(recorder.lines.at(-1)).toBe(`Normal SawCompletedJob Saw completed job: ${name}, condition: Complete`);
    expect(read()?.status?.active).toBeUndefined();
    expect(read()?.status?.lastSuccessfulTime).toBe('2026-01-01T00:01:00Z');
    await pass(minuteMs);
    expect(names()).toEqual([name, `tick-${startMinutes + 2}`]);
  });

  test('keeps the history limits', async () => {
    const { begin, pass, names, finish, recorder } = lab(cronJob({ successfulJobsHistoryLimit: 1 }));
    await begin();
    for (const outcome of ['Complete', 'Failed', 'Complete', 'Failed'] as const) {
      await pass(minuteMs);
      finish(outcome);
    }
    await pass(1_000);
    expect(names()).toEqual([`tick-${startMinutes + 3}`, `tick-${startMinutes + 4}`]);
    expect(recorder.lines).toContain(`Normal SuccessfulDelete Deleted job tick-${startMinutes + 1}`);
  });

  test.each([
    ['Allow', [1, 2, 3]],
    ['Forbid', [1]],
    ['Replace', [3]],
  ] as const)('concurrencyPolicy %s', async (concurrencyPolicy, left) => {
    const { begin, pass, names } = lab(cronJob({ concurrencyPolicy }));
    await begin();
    await pass(3 * minuteMs + 500);
    expect(names()).toEqual(left.map((n) => `tick-${startMinutes + n}`));
  });

  test('Forbid says why, and catches up when the running job ends', async () => {
    const { begin, pass, names, recorder, finish } = lab(cronJob({ concurrencyPolicy: 'Forbid' }));
    await begin();
    await pass(2 * minuteMs + 500);
    expect(recorder.lines).toContain(
      'Normal JobAlreadyActive Not starting job because prior execution is running and concurrency policy is Forbid',
    );
    finish('Complete');
    await pass(500);
    expect(names()).toEqual([`tick-${startMinutes + 1}`, `tick-${startMinutes + 2}`]);
  });

  test('a suspended cron job starts nothing; afterwards only the latest missed time counts', async () => {
    const { begin, pass, names, server, read } = lab(cronJob({ suspend: true }));
    await begin();
    await pass(10 * minuteMs);
    expect(names()).toEqual([]);
    const now = read();
    if (now) server.put(cronJobs, { ...now, spec: { ...now.spec, suspend: false } });
    await pass(1_000);
    expect(names()).toEqual([`tick-${startMinutes + 10}`]);
  });

  test('a starting deadline lets missed times go', async () => {
    const { begin, pass, names, server, read } = lab(
      cronJob({ schedule: '0 * * * *', suspend: true, startingDeadlineSeconds: 60 }),
    );
    await begin();
    await pass(65 * minuteMs);
    const now = read();
    if (now) server.put(cronJobs, { ...now, spec: { ...now.spec, suspend: false } });
    await pass(1_000);
    expect(names()).toEqual([]);
    await pass(55 * minuteMs);
    expect(names()).toEqual([`tick-${startMinutes + 120}`]);
  });

  test('a schedule in another time zone is stamped in it', async () => {
    const { begin, pass, all } = lab(cronJob({ schedule: '30 5 * * *', timeZone: 'Asia/Kolkata' }));
    await begin();
    await pass(24 * 60 * minuteMs + 500);
    expect(all()[0]?.metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp']).toBe(
      '2026-01-02T05:30:00+05:30',
    );
  });

  test('what cannot be read is said', async () => {
    const { begin, recorder } = lab(cronJob({ timeZone: 'Mars/Olympus' }));
    await begin();
    expect(recorder.lines[0]).toMatch(/^Warning UnknownTimeZone invalid timeZone: "Mars\/Olympus": /);
  });
});
