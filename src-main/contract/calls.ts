import type { Fault, FaultSpec } from './faults.ts';
import type { Lab, LabDriver, LabSnapshot } from './labs.ts';
import type { DockerCheck, ImageSource, SshProbe, SshTarget } from './machines.ts';
import type { RewindChanges, RewindRange } from './rewind.ts';
import type { Settings } from './settings.ts';
import type {
  StoreHistory,
  StoreLeases,
  StoreLevel,
  StoreStatus,
  StoreUpkeep,
  StoreValue,
  StoreWatchers,
} from './store.ts';

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
  /** Whether etcd is installed, so that labs may have real members of their own. */
  readonly etcdInstalled: boolean;
}

export interface LabName {
  readonly lab: string;
}

export interface NodeName extends LabName {
  readonly node: string;
}

export interface MasterName extends LabName {
  readonly master: string;
}

export interface MemberName extends LabName {
  /** `etcd-1` */
  readonly member: string;
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

export interface NewLabRequest {
  readonly name: string;
  readonly driver: LabDriver;
  readonly masters: number;
  /** Of driver `embedded` or `docker`; machines reached by SSH are added one by one. */
  readonly workers: number;
  /** Of each worker. Simulated ones claim them, Docker ones are held to them. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
  /** Absent: the embedded store. */
  readonly store?: NewStore;
}

/** What a lab keeps its objects in: real etcd members of its own, or somebody's etcd with files that are read at each start. */
export type NewStore =
  | { readonly kind: 'local'; readonly members: number }
  | {
      readonly kind: 'external';
      readonly endpoints: readonly string[];
      readonly ca?: string;
      readonly cert?: string;
      readonly key?: string;
    };

export interface NewNodeRequest extends LabName {
  /** The host chooses a name when there is none. */
  readonly node?: string;
  /** The lab's own when absent. */
  readonly driver?: LabDriver;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  /** Required for driver `ssh`, with its host key trusted. */
  readonly ssh?: SshTarget;
}

export interface Calls {
  'host.info': { request: Empty; response: HostFacts };
  'labs.list': { request: Empty; response: readonly Lab[] };
  /** Answers as soon as the lab is known; progress is in the watch `labs`. */
  'lab.create': { request: NewLabRequest; response: Lab };
  'lab.start': { request: LabName; response: Empty };
  'lab.stop': { request: LabName; response: Empty };
  /** Stops it and removes everything it kept. `force` also when a machine of it cannot be cleaned. */
  'lab.delete': { request: LabName & { readonly force?: boolean }; response: Empty };
  /** Adds a worker and answers when it is Ready; progress is in the watch `tasks`. */
  'node.add': { request: NewNodeRequest; response: { readonly node: string } };
  /** As pulling the plug: nothing is told to anybody. */
  'node.kill': { request: NodeName; response: Empty };
  'node.start': { request: NodeName; response: Empty };
  /** Removes the machine and its Node object. */
  'node.delete': { request: NodeName; response: Empty };
  /** As pulling its plug; the store lives on. */
  'master.kill': { request: MasterName; response: Empty };
  /** Answers when it serves again. */
  'master.start': { request: MasterName; response: Empty };
  /** As pulling its plug. Invalid for members that are not the lab's own. */
  'etcd.kill': { request: MemberName; response: Empty };
  /** Answers when it takes part again, or runs without a majority. */
  'etcd.start': { request: MemberName; response: Empty };
  'api.request': { request: ApiCall; response: ApiAnswer };
  /**
   * At `revision`, or now. NotFound when there is no such key, Expired when the revision was compacted. A Secret's data is
   * masked unless `reveal`.
   */
  'store.get': {
    request: LabName & {
      readonly key: string;
      readonly revision?: number;
      /** With the bytes as they are. */
      readonly raw?: boolean;
      readonly reveal?: boolean;
    };
    response: StoreValue;
  };
  /** At `revision`, or now; from the key `from` on, about `limit` entries. */
  'store.level': {
    request: LabName & {
      readonly prefix: string;
      readonly from?: string;
      readonly limit: number;
      readonly revision?: number;
    };
    response: StoreLevel;
  };
  /**
   * Puts of `key` before `before` (default: now), newest first, back to where it was created. With `allLives` also what was
   * before that: all kept history is read for it, which can take a while.
   */
  'store.history': {
    request: LabName & {
      readonly key: string;
      readonly before?: number;
      readonly limit: number;
      readonly allLives?: boolean;
    };
    response: StoreHistory;
  };
  'store.leases': { request: LabName; response: StoreLeases };
  'store.watchers': { request: LabName; response: StoreWatchers };
  'store.status': { request: LabName; response: StoreStatus };
  /** Gives up the history before `revision` (default: now), on the disk as well. Progress is in the watch `tasks`. */
  'store.compact': { request: LabName & { readonly revision?: number }; response: StoreUpkeep };
  /** Gives unused space of every member's file back to the disk. Progress is in the watch `tasks`. */
  'store.defragment': { request: LabName; response: StoreUpkeep };
  'rewind.range': { request: LabName; response: RewindRange };
  /**
   * What the revisions `from` to `to` did, both included, at most 512 of them; with `before` also what was there before each.
   * Expired when the one before `from` was compacted.
   */
  'rewind.changes': {
    request: LabName & { readonly from: number; readonly to: number; readonly before?: boolean };
    response: RewindChanges;
  };
  /** What a person typed, in the terminal that a watch `pod.exec` opened. NotFound when it ended. */
  'pod.exec.input': { request: { readonly session: string; readonly text: string }; response: Empty };
  'pod.exec.resize': {
    request: { readonly session: string; readonly columns: number; readonly rows: number };
    response: Empty;
  };
  /** Answers when the fault is in place; it heals by itself after `forSeconds`. Progress is in the watch `faults`. */
  'fault.add': { request: LabName & { readonly spec: FaultSpec; readonly forSeconds: number }; response: Fault };
  'fault.heal': { request: LabName & { readonly id: string }; response: Empty };
  /** Whether Docker can be used, and why not. Never fails for what Docker says. */
  'docker.check': { request: Empty; response: DockerCheck };
  /** Tries the connection, changing nothing on the machine. */
  'ssh.probe': { request: { readonly target: SshTarget }; response: SshProbe };
  /** Puts an image on every real node and answers when it is there; progress is in the watch `tasks`. */
  'image.load': { request: LabName & { readonly source: ImageSource }; response: Empty };
  /**
   * Writes the whole lab, running or not, into one new file of the machine that Drydock runs on: private keys are in it. Answers
   * when it is there; progress is in the watch `tasks`.
   */
  'snapshot.save': { request: LabName & { readonly file: string }; response: LabSnapshot };
  /** Makes a stopped lab of it, called `name` or as it was called; progress is in the watch `tasks` of that lab. */
  'snapshot.restore': { request: { readonly file: string; readonly name?: string }; response: LabName };
  'snapshot.inspect': { request: { readonly file: string }; response: LabSnapshot };
  'settings.get': { request: Empty; response: Settings };
  'settings.set': { request: { readonly change: Partial<Settings> }; response: Settings };
}

export type Empty = Readonly<Record<string, never>>;
export type CallName = keyof Calls;
export type CallRequest<N extends CallName> = Calls[N]['request'];
export type CallResponse<N extends CallName> = Calls[N]['response'];
