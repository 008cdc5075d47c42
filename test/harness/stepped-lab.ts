import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Node, Pod } from '#api/gen/types';
import type { GroupVersionResource, KubeObject } from '#api/machinery/object';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { SinkLogger, type LogEntry } from '#base/logger';
import type { ResourceClient } from '#client/client';
import { nodes, pods } from '#client/resources';
import { RestClient } from '#client/rest-client';
import type { Lab } from '#cluster/lab';
import { newLabConfig } from '#cluster/lab-config';
import { freePort } from '#cluster/ports';
import { startLab } from '#cluster/start-lab';

/** Lab time that passes between two looks at what is waited for. */
const lookEveryMs = 500;
/** Rounds without a write after which a moment of lab time counts as worked off. */
const quietRounds = 3;

/**
 * A whole lab in this process (store on disk, TLS listener, every component) whose time moves only when the test says so.
 * Nothing here waits for real time: each timer that fires is worked off, down to the last write on disk, before the next.
 */
export class SteppedLab {
  readonly lab: Lab;
  readonly clock: SteppedClock;
  readonly context = Context.background();
  /** What components logged at warn or above. */
  readonly warnings: readonly LogEntry[];
  readonly #folder: string;

  private constructor(lab: Lab, clock: SteppedClock, warnings: readonly LogEntry[], folder: string) {
    this.lab = lab;
    this.clock = clock;
    this.warnings = warnings;
    this.#folder = folder;
  }

  static async start(workers: number, masters = 1): Promise<SteppedLab> {
    const clock = new SteppedClock();
    const warnings: LogEntry[] = [];
    const folder = mkdtempSync(join(tmpdir(), 'drydock-stepped-'));
    // Of the system's choice: other labs on this computer look for the usual ones.
    const apiPort = await freePort(0);
    const config = newLabConfig({ name: 'lab', driver: 'embedded', masters, workers, apiPort, nowMs: clock.now() });
    const lab = await atRealPace(
      clock,
      startLab(Context.background(), {
        config: { ...config, etcdPort: await freePort(0) },
        folder,
        clock,
        logger: new SinkLogger(clock, (entry) => void warnings.push(entry), 'warn', 'lab'),
        seed: 7,
        onSteps: () => {},
        onConfig: () => {},
      }),
    );
    return new SteppedLab(lab, clock, warnings, folder);
  }

  async close(): Promise<void> {
    await atRealPace(this.clock, this.lab.stop());
    rmSync(this.#folder, { recursive: true, force: true });
  }

  client<T extends KubeObject>(resource: GroupVersionResource): ResourceClient<T> {
    return new RestClient(this.lab.admin).resource<T>(resource);
  }

  async pods(namespace = 'default'): Promise<readonly Pod[]> {
    return (await this.client<Pod>(pods).list(this.context, { namespace })).items;
  }

  node(name: string): Promise<Node> {
    return this.client<Node>(nodes).get(this.context, '', name);
  }

  /** Lets `ms` of lab time pass. */
  pass(ms: number): Promise<void> {
    return this.clock.step(ms, () => this.settle());
  }

  /** Lets lab time pass until `work`, which needs no time but I/O and retries, is done. */
  drive<T>(work: Promise<T>): Promise<T> {
    return atRealPace(this.clock, work);
  }

  /** Lets lab time pass until `holds`; resolves with how much, in milliseconds. Throws after `limitMs`. */
  async until(what: string, limitMs: number, holds: () => Promise<boolean>): Promise<number> {
    const startMs = this.clock.now();
    await this.settle();
    while (!(await holds())) {
      if (this.clock.now() - startMs >= limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
      await this.pass(lookEveryMs);
    }
    return this.clock.now() - startMs;
  }

  /** Resolves when nothing goes on any more at this moment of lab time: no write came for some rounds. */
  async settle(): Promise<void> {
    const { store } = this.lab;
    let seen = -1;
    for (let quiet = 0; quiet < quietRounds; quiet++) {
      await turns();
      if (!store.members.some((member) => member.state === 'running')) continue;
      // A transaction that only reads waits for writes that are not on disk yet.
      await store.client.txn(this.context, { compare: [], success: [{ type: 'range', key: 'settle' }], failure: [] });
      const { revision } = await store.client.status(this.context);
      if (revision !== seen) quiet = 0;
      seen = revision;
    }
  }
}

/**
 * Moves lab time on, one millisecond a turn of the event loop, until `work` is done: never faster than the I/O that it waits
 * for, so that no timeout of the lab's comes early on a slow machine.
 */
async function atRealPace<T>(clock: SteppedClock, work: Promise<T>): Promise<T> {
  let done = false;
  const watched = work.finally(() => {
    done = true;
  });
  watched.catch(() => {}); // The caller gets it in the end.
  while (!done) await clock.step(1);
  return watched;
}

/** Some turns of the event loop: sockets, threads of the store and promises get theirs. */
async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
