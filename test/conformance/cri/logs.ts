import { existsSync, renameSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { LogRecord } from '#cri/cri';
import { context, type Bench } from './bench.ts';

export function logTests(bench: Bench): void {
  it('keeps stdout and stderr apart, with times in order', async () => {
    // Two streams are two pipes: only a pause makes their order certain.
    const id = await bench.start(['sh', '-c', 'echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three']);
    await bench.untilExited(id);
    const records: LogRecord[] = [];
    for await (const record of await bench.runtime.containerLog(context, id, { follow: false })) records.push(record);
    expect(records.map((record) => `${record.stream} ${Buffer.from(record.text).toString()}`)).toEqual([
      'stdout one',
      'stderr two',
      'stdout three',
    ]);
    const times = records.map((record) => record.timestamp);
    expect([...times].sort()).toEqual(times);
    for (const { timestamp, timeMs } of records) {
      expect(timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d)$/);
      expect(timeMs).toBe(Date.parse(timestamp));
    }
  });

  it('gives the last lines asked for, and those since a time', async () => {
    const id = await bench.start(['sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.2; done; echo 4']);
    await bench.untilExited(id);
    expect(await bench.log(id, { tailLines: 2 })).toEqual(['stdout 3', 'stdout 4']);
    expect(await bench.log(id, { tailLines: 0 })).toEqual([]);
    expect(await bench.log(id, { tailLines: 99 })).toHaveLength(4);
    let third = 0;
    for await (const record of await bench.runtime.containerLog(context, id, { follow: false, tailLines: 2 })) {
      third ||= record.timeMs;
    }
    expect(await bench.log(id, { sinceMs: third })).toEqual(['stdout 3', 'stdout 4']);
  });

  it('is followed while the container writes, and ends with it', async () => {
    const id = await bench.start(['sh', '-c', 'echo begin; sleep 0.5; echo middle; sleep 0.5; echo end']);
    const seen: string[] = [];
    const states: string[] = [];
    const records = await bench.runtime.containerLog(context, id, { follow: true });
    const reading = (async () => {
      for await (const record of records) {
        seen.push(Buffer.from(record.text).toString());
        states.push((await bench.runtime.containerStatus(context, id)).state);
      }
    })();
    await bench.patience(reading);
    expect(seen).toEqual(['begin', 'middle', 'end']);
    expect(states.slice(0, 2)).toEqual(['CONTAINER_RUNNING', 'CONTAINER_RUNNING']);
    expect((await bench.runtime.containerStatus(context, id)).state).toBe('CONTAINER_EXITED');
  });

  it('stops being followed when nobody wants it any more', async () => {
    const id = await bench.start(['sh', '-c', 'echo once; sleep 1000']);
    const { context: reading, cancel } = context.withCancel();
    const seen: string[] = [];
    const records = await bench.runtime.containerLog(reading, id, { follow: true });
    const done = (async () => {
      for await (const record of records) {
        seen.push(Buffer.from(record.text).toString());
        cancel();
      }
    })();
    await bench.patience(done);
    expect(seen).toEqual(['once']);
  });

  it('keeps long lines in parts, and a last line without an end', async () => {
    const id = await bench.start(['sh', '-c', 'printf %040000d 7; echo; printf unfinished']);
    await bench.untilExited(id);
    const records: LogRecord[] = [];
    for await (const record of await bench.runtime.containerLog(context, id, { follow: false })) records.push(record);
    const texts = records.map((record) => Buffer.from(record.text).toString());
    expect(texts.slice(0, -1).join('')).toBe('7'.padStart(40_000, '0'));
    expect(texts.at(-1)).toBe('unfinished');
    expect(records.slice(0, -1).map((record) => record.partial)).toEqual([true, true, false]);
    expect((await bench.log(id, { tailLines: 2 })).length).toBe(4);
  });

  it('goes on in a new file once its old one was renamed, and followers miss nothing', async () => {
    const id = await bench.start(['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done']);
    const { context: reading, cancel } = context.withCancel();
    const seen: number[] = [];
    const records = await bench.runtime.containerLog(reading, id, { follow: true });
    const following = (async () => {
      for await (const record of records) seen.push(Number(Buffer.from(record.text).toString()));
    })();
    const untilSeen = async (count: number): Promise<void> => {
      for (let tries = 0; seen.length < count && tries < 200; tries++) await bench.under.pass(50);
      expect(seen.length).toBeGreaterThanOrEqual(count);
    };
    await untilSeen(3);
    // A runtime without log files has nothing to rename, and takes the call as well.
    const { logPath } = await bench.runtime.containerStatus(context, id);
    const rotated = logPath && `${logPath}.20260102-030405`;
    if (rotated) renameSync(logPath, rotated);
    await bench.runtime.reopenContainerLog(context, id);
    await untilSeen(seen.length + 5);
    expect(seen).toEqual(seen.map((_, index) => index + 1));
    cancel();
    await bench.patience(following);
    await bench.patience(bench.runtime.stopContainer(context, id, 0));
    if (rotated) expect(await bench.log(id)).not.toContain('stdout 1');
    await bench.patience(bench.runtime.removeContainer(context, id));
    if (rotated) expect([existsSync(logPath), existsSync(rotated)]).toEqual([false, false]);
    await expect(bench.runtime.reopenContainerLog(context, id)).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('is gone with its container', async () => {
    const id = await bench.start(['echo', 'x']);
    await bench.untilExited(id);
    await bench.patience(bench.runtime.removeContainer(context, id));
    await expect(bench.runtime.containerLog(context, id, { follow: false })).rejects.toMatchObject({
      code: 'NotFound',
    });
  });
}
