import type { Clock } from '#base/clock';
import { disposable, type Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { ProgressStep, Task } from '#contract/labs';

/** Tasks of a lab that are kept when they ended, so that a person who looks again can read how. */
const keptTasks = 20;

/** What goes on in labs beside their own start and stop, for the watch `tasks`. */
export class Tasks {
  readonly #clock: Clock;
  readonly #tasks = new Map<string, Task & { readonly lab: string }>();
  readonly #listeners = new Set<() => void>();
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  list(lab: string): Task[] {
    return [...this.#tasks.values()].filter((one) => one.lab === lab).map(({ lab: _lab, ...task }) => task);
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return disposable(() => this.#listeners.delete(listener));
  }

  /** Does `work`, which tells its steps whole after each change. Throws what it throws. */
  async run<T>(
    lab: string,
    what: Pick<Task, 'kind' | 'subject'>,
    work: (onSteps: (steps: readonly ProgressStep[]) => void) => Promise<T>,
  ): Promise<T> {
    const id = `t-${this.#nextId++}`;
    this.#tasks.set(id, { id, lab, ...what, state: 'running', steps: [], sinceMs: this.#clock.now() });
    this.#changed();
    try {
      const result = await work((steps) => this.#update(id, { steps }));
      this.#update(id, { state: 'done' });
      return result;
    } catch (error) {
      this.#update(id, { state: 'failed', error: messageOf(error) });
      throw error;
    } finally {
      this.#forgetOld(lab);
    }
  }

  #update(id: string, change: Partial<Task>): void {
    const task = this.#tasks.get(id);
    if (!task) return;
    this.#tasks.set(id, { ...task, ...change });
    this.#changed();
  }

  #forgetOld(lab: string): void {
    const ended = [...this.#tasks.values()].filter((one) => one.lab === lab && one.state !== 'running');
    for (const old of ended.slice(0, -keptTasks)) this.#tasks.delete(old.id);
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
