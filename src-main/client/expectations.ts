import type { Clock } from '#base/clock';

/** `controller.ExpectationsTimeout` of kubernetes/pkg/controller, release 1.36. */
const timeoutMs = 5 * 60_000;

interface Expected {
  additions: number;
  /** Keys of objects whose deletion was asked for. */
  readonly deletions: Set<string>;
  readonly sinceMs: number;
}

/**
 * Keeps a controller from acting twice on a cache that lags behind its own writes (`controller.ControllerExpectations` of
 * kubernetes/pkg/controller, release 1.36). Before writing, a controller says what it expects to see; the informer's
 * handlers count it down; until then `satisfied` is false and the controller leaves the number of objects alone.
 *
 *   expectCreations('default/web', 2)   satisfied? no
 *   creationObserved('default/web')     satisfied? no
 *   creationObserved('default/web')     satisfied? yes
 *
 * Deletions are counted by key, because a deletion may be seen before the answer to the delete call, and twice.
 */
export class Expectations {
  readonly #clock: Clock;
  readonly #expected = new Map<string, Expected>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether everything expected was seen, or the wait has lasted for five minutes. */
  satisfied(controllerKey: string): boolean {
    const expected = this.#expected.get(controllerKey);
    if (!expected) return true;
    if (expected.additions <= 0 && expected.deletions.size === 0) return true;
    return this.#clock.now() - expected.sinceMs > timeoutMs;
  }

  /** Replaces what was expected before. */
  expectCreations(controllerKey: string, count: number): void {
    this.#expected.set(controllerKey, { additions: count, deletions: new Set(), sinceMs: this.#clock.now() });
  }

  /** Replaces what was expected before. */
  expectDeletions(controllerKey: string, objectKeys: readonly string[]): void {
    this.#expected.set(controllerKey, { additions: 0, deletions: new Set(objectKeys), sinceMs: this.#clock.now() });
  }

  /** One creation was seen, or will never be because the call failed. */
  creationObserved(controllerKey: string): void {
    const expected = this.#expected.get(controllerKey);
    if (expected) expected.additions--;
  }

  /** One deletion was seen, or will never be because the call failed. */
  deletionObserved(controllerKey: string, objectKey: string): void {
    this.#expected.get(controllerKey)?.deletions.delete(objectKey);
  }

  /** Forgets everything about a controller that is gone. */
  forget(controllerKey: string): void {
    this.#expected.delete(controllerKey);
  }
}
