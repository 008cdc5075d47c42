import { getContext, setContext } from 'svelte';

/** Whether buttons that change something are off at the moment, and why. */
export interface ReadOnly {
  /** Undefined while everything may be changed. */
  readonly reason: string | undefined;
}

const key = Symbol('read-only');
const never: ReadOnly = { reason: undefined };

/** For everything below the component that calls it. */
export function provideReadOnly(readOnly: ReadOnly): void {
  setContext(key, readOnly);
}

/** Of the nearest component above that provides one. */
export function useReadOnly(): ReadOnly {
  return getContext<ReadOnly | undefined>(key) ?? never;
}
