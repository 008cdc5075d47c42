import type { KubeObject } from '../machinery/object.ts';

export interface PrintContext {
  /** Milliseconds since the epoch: ages are counted to here. */
  readonly nowMs: number;
}

/** One column of a server-side table and what it shows of an object. */
export interface Column<T extends KubeObject = KubeObject> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly format: string;
  /** 1: only with `-o wide`. */
  readonly priority: 0 | 1;
  readonly description: string;
  readonly cell: (object: T, context: PrintContext) => string | number | boolean;
}
