import type { LabName } from './calls.ts';

/** A container's terminal and its log, as streams. Text is UTF-8, decoded whole: no chunk ends inside a character. */

export interface ContainerName extends LabName {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

export interface PodLogsRequest extends ContainerName {
  readonly tailLines: number;
  /** The log of the container's life before this one, which ends; otherwise the stream goes on while the container does. */
  readonly previous?: boolean;
}

/** Lines as they were written, each with its newline; the last may be unfinished. */
export interface LogChunk {
  readonly text: string;
}

export interface PodExecRequest extends ContainerName {
  readonly command: readonly string[];
  readonly tty: boolean;
  /** Size of the terminal. */
  readonly columns: number;
  readonly rows: number;
}

/** Begins with `opened`, ends with `exit`. What could not be started at all is the stream's ERROR. */
export type PodExecItem =
  /** `session` names the terminal in `pod.exec.input` and `pod.exec.resize` while the stream is open. */
  | { readonly kind: 'opened'; readonly session: string }
  | { readonly kind: 'output'; readonly text: string }
  | { readonly kind: 'exit'; readonly exitCode: number };
