import type { Clock } from '#base/clock';
import type { Disposable } from '#base/disposable';
import { FreezableClock } from '#base/freezable-clock';
import type { Fabric, FabricNode } from './fabric.ts';

export type MachineState = 'running' | 'paused' | 'killed' | 'stopped';

export interface EmbeddedMachineOptions {
  readonly name: string;
  readonly ip: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly fabric: Fabric;
  readonly clock: Clock;
}

/**
 * A simulated machine: power, a network card on the lab's fabric, and facts. Who puts programs on it ends them with it.
 */
export class EmbeddedMachine {
  readonly name: string;
  readonly ip: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly network: FabricNode;
  /** Of every program on the machine. */
  readonly clock: FreezableClock;
  readonly #fabric: Fabric;
  readonly #clock: Clock;
  #state: MachineState = 'stopped';
  #sinceMs: number;
  /** What keeps packets from a frozen machine: nobody there answers them. */
  #silence: readonly Disposable[] = [];

  constructor(options: EmbeddedMachineOptions) {
    this.name = options.name;
    this.ip = options.ip;
    this.cpus = options.cpus;
    this.memoryBytes = options.memoryBytes;
    this.#fabric = options.fabric;
    this.#clock = options.clock;
    this.clock = new FreezableClock(options.clock);
    this.#sinceMs = options.clock.now();
    this.network = options.fabric.addNode(options.name, options.ip);
    this.network.setUp(false);
  }

  get state(): MachineState {
    return this.#state;
  }

  /** When it came into its state, on the lab's clock. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  powerOn(): void {
    if (this.#state === 'running') return;
    this.network.setUp(true);
    this.#enter('running');
  }

  /** Pulls the plug: everything that runs here is gone, every connection is dead. Disks keep what they hold. */
  kill(): void {
    this.#powerOff('killed');
  }

  /** As `kill`, after what runs here was stopped in order. */
  shutDown(): void {
    this.#powerOff('stopped');
  }

  /** Freezes what runs here: timers do not fire, packets get no answer. Nothing is lost. */
  pause(): void {
    if (this.#state !== 'running') return;
    const { links } = this.#fabric;
    this.#silence = [links.add({ from: this.name, drop: true }), links.add({ to: this.name, drop: true })];
    this.clock.freeze();
    this.#enter('paused');
  }

  unpause(): void {
    if (this.#state !== 'paused') return;
    this.#enter('running');
    this.#thaw();
  }

  /** Takes the machine off the fabric for good. */
  remove(): void {
    this.#powerOff('stopped');
    this.#fabric.removeNode(this.name);
  }

  #powerOff(state: MachineState): void {
    if (this.#state !== 'running' && this.#state !== 'paused') return;
    this.#enter(state);
    this.network.setUp(false);
    this.#thaw();
  }

  #thaw(): void {
    for (const rule of this.#silence) rule.dispose();
    this.#silence = [];
    this.clock.thaw();
  }

  #enter(state: MachineState): void {
    this.#state = state;
    this.#sinceMs = this.#clock.now();
  }
}
