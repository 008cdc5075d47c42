import { describe, expect, it } from 'vitest';
import { EtcdError } from '../client.ts';
import { GroupCommit, type CommitWork } from './group-commit.ts';

/** A disk whose flushes end when the test says so. */
class ManualDisk {
  readonly flushes: { resolve: () => void; reject: (error: Error) => void }[] = [];

  commit(): Promise<void> {
    return new Promise((resolve, reject) => this.flushes.push({ resolve, reject }));
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const disk = new ManualDisk();
  const log: string[] = [];
  const commits = new GroupCommit<CommitWork & { name: string }>(disk, (works) => {
    log.push(`durable ${works.map((work) => work.name).join(' ')}`);
  });
  const add = (name: string): Promise<unknown> =>
    commits.add({ name, write: () => {}, undo: () => log.push(`undo ${name}`) }).then(
      () => log.push(`done ${name}`),
      (error: unknown) => log.push(`${name}: ${error instanceof EtcdError ? error.code : 'unknown'}`),
    );
  return { disk, log, commits, add };
}

describe('group commit', () => {
  it('flushes what came in one turn together, and what came meanwhile next', async () => {
    const { disk, log, add } = setUp();
    const first = [add('a'), add('b')];
    await turn();
    const second = [add('c'), add('d')];
    await turn();
    expect(disk.flushes).toHaveLength(1);
    disk.flushes[0]?.resolve();
    await Promise.all(first);
    expect(log).toEqual(['durable a b', 'done a', 'done b']);
    expect(disk.flushes).toHaveLength(2);
    disk.flushes[1]?.resolve();
    await Promise.all(second);
    expect(log.slice(3)).toEqual(['durable c d', 'done c', 'done d']);
  });

  it('takes back a failed flush and all that was built on it, newest first, and goes on', async () => {
    const { disk, log, add } = setUp();
    const all = [add('a'), add('b')];
    await turn();
    all.push(add('c'));
    disk.flushes[0]?.reject(new EtcdError('NO_SPACE', 'full'));
    await Promise.all(all);
    expect(log).toEqual(['undo c', 'undo b', 'undo a', 'a: NO_SPACE', 'b: NO_SPACE', 'c: NO_SPACE']);
    const next = add('d');
    await turn();
    disk.flushes[1]?.resolve();
    await next;
    expect(log.slice(6)).toEqual(['durable d', 'done d']);
  });

  it('refuses everything once stopped', async () => {
    const { disk, log, commits, add } = setUp();
    const all = [add('a')];
    await turn();
    commits.stop();
    all.push(add('b'));
    disk.flushes[0]?.resolve();
    await Promise.all(all);
    expect(log).toEqual(['undo b', 'a: UNAVAILABLE', 'b: UNAVAILABLE']);
  });
});
