import type { Status } from '#api/machinery/status';
import type { StreamEvent } from './watches.ts';

/**
 * What crosses between the renderer and its host, one value a message, the same over Electron IPC (structured clone) and
 * over a WebSocket (JSON). `id` is the renderer's and is never used twice on one connection.
 *
 *     renderer                                   host
 *     watch  id=7 labs                    ->
 *                                         <-     events id=7 [ADDED, ADDED, BOOKMARK]
 *     credit id=7 count=3                 ->
 *                                         <-     events id=7 [MODIFIED]
 *     cancel id=7                         ->
 */
export type ClientFrame =
  | { readonly type: 'call'; readonly id: number; readonly name: string; readonly request: unknown }
  | { readonly type: 'watch'; readonly id: number; readonly name: string; readonly request: unknown }
  /** The reader has dealt with `count` more events of stream `id`. */
  | { readonly type: 'credit'; readonly id: number; readonly count: number }
  /** Gives up a call or a stream; nothing more comes for `id`. */
  | { readonly type: 'cancel'; readonly id: number };

export type HostFrame =
  | { readonly type: 'response'; readonly id: number; readonly response: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly status: Status }
  | { readonly type: 'events'; readonly id: number; readonly events: readonly StreamEvent<unknown>[] }
  /** The stream ended without an error. */
  | { readonly type: 'end'; readonly id: number };

/** Events a writer may send before the reader acknowledges: the high mark of a stream. */
export const streamHighMark = 2000;
/** Events of one frame at most. */
export const maxEventsPerFrame = 500;
/** How long a writer gathers events for one frame: about one frame of a screen. */
export const batchWindowMs = 16;
/** Streams one connection may have open. */
export const maxStreams = 64;
/** Calls one connection may have in flight. */
export const maxCalls = 64;
/** Bytes of one message from the renderer. */
export const maxFrameBytes = 4 * 1024 * 1024;

/** Over Electron IPC both directions use this one channel. */
export const ipcChannel = 'drydock:frame';
/** The one name that the preload script puts on `window`. */
export const bridgeName = 'drydockBridge';
/** Origin of the app's own pages in Electron. */
export const appOrigin = 'drydock://app';
/** Path of the WebSocket on the headless host. */
export const socketPath = '/socket';

/** What the preload script puts on `window`. */
export interface Bridge {
  post(frame: ClientFrame): void;
  /** Called for each frame; replaces the listener there was. */
  listen(listener: (frame: HostFrame) => void): void;
}
