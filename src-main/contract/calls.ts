import type { Lab, LabDriver } from './labs.ts';
import type { Settings } from './settings.ts';
import type { StoreRange, StoreValue } from './store.ts';

/** `call(name, request) -> response`: the first of the contract's two shapes. Errors are a Kubernetes Status. */

export interface HostFacts {
  readonly version: string;
  /** Path of the home in which labs live. */
  readonly home: string;
  readonly platform: string;
  /** The lab clock's time, so that a reader can tell ages by it. */
  readonly nowMs: number;
  /** Where a browser finds the same UI, with a token that works once; absent in the desktop app. */
  readonly uiUrl?: string;
}

export interface LabName {
  readonly lab: string;
}

export interface NodeName extends LabName {
  readonly node: string;
}

/** Passed through to the lab's API server as its administrator. */
export interface ApiCall extends LabName {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute and percent-encoded, without query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** A JSON value, or for `application/apply-patch+yaml` and `application/yaml` a text. */
  readonly body?: unknown;
  readonly contentType?: string;
}

export interface ApiAnswer {
  readonly status: number;
  /** The decoded JSON (a Status when `status` says failure), or the text when it was no JSON. */
  readonly body: unknown;
}

export interface PodLogsRequest extends LabName {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly tailLines: number;
  /** The logs of the container's life before this one. */
  readonly previous?: boolean;
}

export interface Calls {
  'host.info': { request: Empty; response: HostFacts };
  'labs.list': { request: Empty; response: readonly Lab[] };
  /** Answers as soon as the lab is known; progress is in the watch `labs`. */
  'lab.create': {
    request: { readonly name: string; readonly driver: LabDriver; readonly masters: number; readonly workers: number };
    response: Lab;
  };
  'lab.start': { request: LabName; response: Empty };
  'lab.stop': { request: LabName; response: Empty };
  /** Stops it and removes everything it kept. */
  'lab.delete': { request: LabName; response: Empty };
  /** Adds a worker; the host chooses the name when there is none. */
  'node.add': { request: LabName & { readonly node?: string }; response: { readonly node: string } };
  /** As pulling the plug: nothing is told to anybody. */
  'node.kill': { request: NodeName; response: Empty };
  'node.start': { request: NodeName; response: Empty };
  /** Removes the machine and its Node object. */
  'node.delete': { request: NodeName; response: Empty };
  'api.request': { request: ApiCall; response: ApiAnswer };
  /** At `revision`, or now. NotFound when there is no such key, Expired when the revision was compacted. */
  'store.get': { request: LabName & { readonly key: string; readonly revision?: number }; response: StoreValue };
  'store.range': { request: LabName & { readonly prefix: string; readonly limit: number }; response: StoreRange };
  'pod.logs': { request: PodLogsRequest; response: { readonly text: string } };
  'settings.get': { request: Empty; response: Settings };
  'settings.set': { request: { readonly change: Partial<Settings> }; response: Settings };
}

export type Empty = Readonly<Record<string, never>>;
export type CallName = keyof Calls;
export type CallRequest<N extends CallName> = Calls[N]['request'];
export type CallResponse<N extends CallName> = Calls[N]['response'];
