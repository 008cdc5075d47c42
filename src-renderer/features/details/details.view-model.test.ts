import { describe, expect, it } from 'vitest';
import type { CoreV1Event, Pod } from '#api/gen/types';
import { containerWords, eventsAbout, shellTargets, withoutNoise } from './details.view-model.ts';

describe('details', () => {
  it('say what a container does', () => {
    const now = Date.UTC(2026, 0, 1, 0, 5);
    expect(containerWords({ running: { startedAt: '2026-01-01T00:01:00Z' } }, now)).toEqual({
      words: 'running for 4 min',
      tone: 'ok',
    });
    expect(containerWords({ waiting: { reason: 'CrashLoopBackOff' } }, now)).toEqual({
      words: 'waiting: CrashLoopBackOff',
      tone: 'bad',
    });
    expect(containerWords({ terminated: { reason: 'Error', exitCode: 1 } }, now).words).toBe(
      'ended: Error, exit code 1',
    );
    expect(containerWords(undefined, now).tone).toBe('warn');
  });

  it('find the events about an object, and leave machine fields out', () => {
    const event = (uid: string, second: number) => ({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { uid: `${uid}${second}` },
      involvedObject: { uid },
      lastTimestamp: `2026-01-01T00:00:0${second}Z`,
    });
    const events: CoreV1Event[] = [event('a', 1), event('b', 2), event('a', 3)];
    expect(eventsAbout(events, 'a', 'x').map((one) => one.metadata.uid)).toEqual(['a3', 'a1']);
    expect(withoutNoise({ metadata: { name: 'x', managedFields: [] } })).toEqual({ metadata: { name: 'x' } });
  });

  it('offer a shell in containers and sidecars, where they run', () => {
    const container = (name: string) => ({ name, image: 'nginx' });
    const status = (name: string, state: object) => ({
      ...container(name),
      imageID: '',
      ready: true,
      restartCount: 0,
      state,
    });
    const pod: Pod = {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-0' } },
      spec: {
        initContainers: [container('init'), { ...container('log'), restartPolicy: 'Always' }],
        containers: [container('web')],
      },
      status: {
        initContainerStatuses: [status('log', { running: {} })],
        containerStatuses: [status('web', { waiting: {} })],
      },
    };
    expect(shellTargets(pod)).toEqual([
      { name: 'web', running: false },
      { name: 'log', running: true },
    ]);
  });
});
