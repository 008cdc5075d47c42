import type { Component, ComponentState } from './component.ts';
import type { Context } from './context.ts';

/** One life of a component, from start to stop or crash. Nothing of it is used again. */
export interface Life {
  /** Resolves when it serves. */
  start(context: Context): Promise<void>;
  /** Ends at once and for good: timers, watches and queues are gone when it returns. */
  end(): void;
}

/**
 * A {@link Component} that keeps nothing from one life to the next: each start makes a new life, and a start that fails or is
 * overtaken by a stop leaves none behind.
 */
export abstract class LifeComponent<L extends Life> implements Component {
  abstract readonly name: string;
  #state: ComponentState = 'stopped';
  #life: L | undefined;

  protected abstract newLife(): L;

  /** The life that is being lived; undefined between lives. */
  protected get life(): L | undefined {
    return this.#life;
  }

  get state(): ComponentState {
    return this.#state;
  }

  async start(context: Context): Promise<void> {
    if (this.#life) return;
    this.#state = 'starting';
    const life = this.newLife();
    this.#life = life;
    try {
      await life.start(context);
    } catch (error) {
      if (this.#life === life) this.#end('stopped');
      throw error;
    }
    if (this.#life === life) this.#state = 'running';
  }

  async stop(): Promise<void> {
    this.#end('stopped');
  }

  crash(): void {
    this.#end('crashed');
  }

  #end(state: ComponentState): void {
    if (!this.#life) return;
    this.#life.end();
    this.#life = undefined;
    this.#state = state;
  }
}
