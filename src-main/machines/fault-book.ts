import { LifeClock, type Clock } from '#base/clock';
import { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { MachineError } from './errors.ts';
import type { Fault, FaultSpec } from './faults.ts';

/** A fault that is in place, as its driver made it. */
export interface InjectedFault {
  /** One sentence for a person: what was done. */
  readonly text: string;
  /** Takes it back. Idempotent. */
  heal(context: Context): Promise<void>;
  /** Instead of `heal` when the whole lab is about to stop: a machine that is off need not be started for that. */
  letGo?(): Promise<void>;
  /** Resolves, with why, when it ended without being healed: its machine died, or it was over by itself. */
  readonly ended: Promise<string>;
}

/** Breaks something. Throws MachineError: UNSUPPORTED for what cannot be done here, INVALID for what makes no sense. */
export type InjectFault = (context: Context, spec: FaultSpec, id: string) => Promise<InjectedFault>;

export interface FaultBookOptions {
  readonly inject: InjectFault;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a fault that is over stays in the list, in milliseconds. */
const keepMs = 5 * 60_000;
/** A machine that could not heal what has expired may be reached again: how long until the next try, in milliseconds. */
const expireAgainMs = 15_000;
const longestMs = 24 * 3_600_000;

/** Healing what has expired waits for nobody. */
const lifeLong = Context.background();

interface Entry {
  fault: Fault;
  injected: InjectedFault | undefined;
  timer: Disposable | undefined;
  healing: Promise<void> | undefined;
}

/** The faults of one lab: each has an id, an expiry and a heal. What is in place is healed when the book is closed. */
export class FaultBook {
  readonly #options: FaultBookOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<() => void>();
  readonly #life = Context.background().withCancel();
  /** Of what is kept for a while only to be read: it must not keep the process. */
  readonly #reading: Clock;
  #next = 1;
  #closed = false;

  constructor(options: FaultBookOptions) {
    this.#options = options;
    this.#reading = new LifeClock(options.clock, this.#life.context);
  }

  /** Oldest first; also what was over a short while ago. */
  list(): readonly Fault[] {
    return [...this.#entries.values()].map((entry) => entry.fault);
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return disposable(() => this.#listeners.delete(listener));
  }

  /** Resolves when the fault is in place; it heals by itself after `forMs`. Throws MachineError. */
  async add(context: Context, spec: FaultSpec, forMs: number): Promise<Fault> {
    if (!(forMs >= 1_000 && forMs <= longestMs))
      throw new MachineError('INVALID', `a fault lasts from 1 second to a day; ${forMs / 1000} s is neither`);
    const { clock, inject } = this.#options;
    const id = `f-${this.#next++}`;
    const sinceMs = clock.now();
    const fault: Fault = { id, spec, state: 'applying', text: '', sinceMs, expiresAtMs: sinceMs + forMs };
    const entry: Entry = { fault, injected: undefined, timer: undefined, healing: undefined };
    this.#entries.set(id, entry);
    this.#changed();
    try {
      const injected = await inject(context, spec, id);
      entry.injected = injected;
      if (this.#closed) {
        await injected.heal(context);
        throw new MachineError('INVALID', 'the lab stops: nothing is broken in it any more');
      }
      this.#set(entry, { state: 'active', text: injected.text });
      void injected.ended.then((why) => this.#over(entry, why));
    } catch (error) {
      this.#set(entry, { state: 'failed', text: messageOf(error) });
      this.#forgetLater(entry);
      throw error;
    }
    entry.timer = clock.setTimer(forMs, () => void this.#expire(entry));
    return entry.fault;
  }

  /** Idempotent. Throws MachineError INVALID for an id there never was. */
  async heal(context: Context, id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (!entry) {
      const known = this.list().filter((fault) => fault.state === 'active');
      const hint = known.length > 0 ? `active are ${known.map((fault) => fault.id).join(', ')}` : 'none is active';
      throw new MachineError('INVALID', `there is no fault ${id}: ${hint}`);
    }
    await this.#heal(context, entry);
  }

  /** Heals everything that is in place, for the lab stops. What cannot be healed is logged: its machine may be gone. */
  async close(context: Context): Promise<void> {
    const { logger } = this.#options;
    this.#closed = true;
    const entries = [...this.#entries.values()];
    const heal = async (entry: Entry): Promise<void> => {
      try {
        await this.#heal(context, entry);
      } catch (error) {
        logger.warn('a fault was not healed', { fault: entry.fault.id, error: messageOf(error) });
      }
    };
    // A frozen machine heals nothing that lies inside it.
    const inside = entries.filter((entry) => entry.fault.spec.kind !== 'node');
    await Promise.all(entries.filter((entry) => !inside.includes(entry)).map(heal));
    await Promise.all(inside.map(heal));
    this.#life.cancel();
  }

  /** Heals what `node` suffers as a whole: somebody else starts it. */
  async healNode(context: Context, node: string): Promise<void> {
    await Promise.all(this.#about(node).map((entry) => this.#heal(context, entry)));
  }

  /** The machine is about to be taken away: its faults go with it. */
  forgetNode(node: string): void {
    for (const entry of this.#about(node)) {
      void entry.injected?.letGo?.();
      this.#over(entry, `${node} was removed`);
    }
  }

  #about(node: string): readonly Entry[] {
    return [...this.#entries.values()].filter(({ fault: { spec } }) => spec.kind === 'node' && spec.node === node);
  }

  async #heal(context: Context, entry: Entry): Promise<void> {
    if (!entry.injected || entry.fault.state === 'healed') return;
    entry.healing ??= this.#healOnce(context, entry, entry.injected);
    await entry.healing;
  }

  async #healOnce(context: Context, entry: Entry, injected: InjectedFault): Promise<void> {
    entry.timer?.dispose();
    this.#set(entry, { state: 'healing' });
    try {
      if (this.#closed && injected.letGo) await injected.letGo();
      else await injected.heal(context);
      this.#over(entry, 'healed');
    } catch (error) {
      // It may be tried again.
      entry.healing = undefined;
      this.#set(entry, { state: 'active', text: `not healed: ${messageOf(error)}` });
      throw error;
    }
  }

  async #expire(entry: Entry): Promise<void> {
    const { logger } = this.#options;
    try {
      await this.#heal(lifeLong, entry);
    } catch (error) {
      logger.warn('a fault that expired was not healed', { fault: entry.fault.id, error: messageOf(error) });
      if (!this.#closed && entry.fault.state !== 'healed')
        entry.timer = this.#options.clock.setTimer(expireAgainMs, () => void this.#expire(entry));
    }
  }

  #over(entry: Entry, why: string): void {
    if (entry.fault.state === 'healed') return;
    entry.timer?.dispose();
    const text = entry.injected ? `${entry.injected.text}: ${why}` : why;
    this.#set(entry, { state: 'healed', text });
    this.#forgetLater(entry);
  }

  #forgetLater(entry: Entry): void {
    this.#reading.setTimer(keepMs, () => {
      this.#entries.delete(entry.fault.id);
      this.#changed();
    });
  }

  #set(entry: Entry, change: Partial<Fault>): void {
    entry.fault = { ...entry.fault, ...change };
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
