import { StatusError, type StatusReason } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import { CancelledError, messageOf } from '#base/errors';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import { ClusterError, type ClusterErrorCode } from '#cluster/errors';
import type { Home } from '#cluster/home';
import { kubeconfigFacts } from '#cluster/lab-kubeconfig';
import type { LabTruth } from '#cluster/lab-view';
import { findEtcd } from '#cluster/stores/etcd-program';
import type { ApiAnswer, ApiCall, Empty, LabName, NewNodeRequest } from '#contract/calls';
import { MachineError } from '#machines/errors';
import type { ImageSource } from '#contract/machines';
import type { Fault } from '#contract/faults';
import type { StreamEvent } from '#contract/watches';
import type { ApiAccess } from './api-access.ts';
import type { Drivers } from './drivers.ts';
import type { ContractHandlers } from './handlers.ts';
import { keyedStream } from './keyed-stream.ts';
import type { Labs } from './labs.ts';
import { objectStream } from './object-stream.ts';
import { checkDocker, probeMachine, statusOfMachineError } from './machine-calls.ts';
import { logStream, type ExecSessions } from './pod-streams.ts';
import { rewindCalls, rewindWatches } from './rewind.ts';
import type { SettingsFile } from './settings-file.ts';
import { snapshotCalls } from './snapshot-calls.ts';
import { storeCalls, storeWatches } from './store-handlers.ts';
import type { Tasks } from './tasks.ts';

export interface LabHandlersOptions {
  readonly labs: Labs;
  readonly home: Home;
  readonly settings: SettingsFile;
  readonly tasks: Tasks;
  readonly sessions: ExecSessions;
  readonly drivers: Drivers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version: string;
  /** A fresh address of the UI for one browser; undefined when none is served. */
  readonly uiUrl: () => string | undefined;
}

const nothing: Empty = Object.freeze({});
const truthsEveryMs = 1000;

/** The contract's calls and watches over the labs of a home. */
export function createLabHandlers(options: LabHandlersOptions): ContractHandlers {
  return { calls: callHandlers(options), watches: watchHandlers(options) };
}

function callHandlers(options: LabHandlersOptions): ContractHandlers['calls'] {
  const { labs, home, settings, clock, version, sessions } = options;
  return {
    'host.info': async () => {
      const uiUrl = options.uiUrl();
      const facts = { version, home: home.path, platform: process.platform, nowMs: clock.now() };
      return { ...facts, etcdInstalled: findEtcd() !== undefined, ...(uiUrl ? { uiUrl } : {}) };
    },
    'labs.list': async () => labs.list(),
    'lab.create': (_context, request) => answer(() => labs.create({ ...request, nowMs: clock.now() })),
    'lab.start': (_context, { lab }) => done(() => labs.start(lab)),
    'lab.stop': (_context, { lab }) => done(() => labs.stop(lab)),
    'lab.delete': (_context, { lab, force }) => done(() => labs.delete(lab, { force: force === true })),
    'node.add': (context, request) => answer(() => addNode(context, options, request)),
    'node.kill': (context, { lab, node }) => done(() => labs.running(lab).killWorker(context, node)),
    'node.start': (context, { lab, node }) => done(() => labs.running(lab).startWorker(context, node)),
    'node.delete': (context, { lab, node }) => done(() => labs.running(lab).deleteWorker(context, node)),
    'master.kill': (_context, { lab, master }) => done(() => labs.running(lab).masters.kill(master)),
    'master.start': (context, { lab, master }) => done(() => labs.running(lab).masters.start(context, master)),
    'etcd.kill': (_context, { lab, member }) => done(() => labs.running(lab).etcdMembers.kill(member)),
    'etcd.start': (context, { lab, member }) => done(() => labs.running(lab).etcdMembers.start(context, member)),
    'api.request': (context, request) => answer(() => apiRequest(context, labs, request)),
    ...answered(storeCalls(options)),
    ...answered(rewindCalls(labs)),
    ...answered(snapshotCalls(options)),
    'pod.exec.input': (_context, { session, text }) => done(() => sessions.input(session, text)),
    'pod.exec.resize': (_context, { session, columns, rows }) => done(() => sessions.resize(session, columns, rows)),
    'fault.add': (context, { lab, spec, forSeconds }) =>
      answer(() => labs.running(lab).faults.add(context, spec, forSeconds * 1000)),
    'fault.heal': (context, { lab, id }) => done(() => labs.running(lab).faults.heal(context, id)),
    'image.load': (context, request) => done(() => loadImage(context, options, request)),
    'docker.check': (context) => answer(() => checkDocker(context, options.drivers)),
    'ssh.probe': (context, { target }) => answer(() => probeMachine(context, clock, target)),
    'settings.get': () => settings.get(),
    'settings.set': (_context, { change }) => settings.set(change),
  };
}

function watchHandlers(options: LabHandlersOptions): ContractHandlers['watches'] {
  const { labs, home, tasks, sessions } = options;
  const store = storeWatches(options);
  const rewind = rewindWatches(labs);
  const accessTo = (lab: string): ApiAccess => apiAccess(labs, home, lab);
  return {
    labs: (context) =>
      keyedStream(context, {
        keyOf: (lab) => lab.name,
        snapshot: () => labs.list(),
        onChange: (listener) => labs.onChange(listener),
      }),
    objects: (context, request) => guarded(() => objectStream(context, labs.running(request.lab).admin, request)),
    store: (context, request) => guarded(() => store.store(context, request)),
    'store.search': (context, request) => guarded(() => store['store.search'](context, request)),
    'rewind.state': (context, request) => guarded(() => rewind['rewind.state'](context, request)),
    'rewind.writes': (context, request) => guarded(() => rewind['rewind.writes'](context, request)),
    components: (context, { lab }) => guarded(() => truthStream(context, options, lab)),
    faults: (context, { lab }) => guarded(() => faultStream(context, labs, lab)),
    tasks: (context, { lab }) =>
      keyedStream(context, {
        keyOf: (task) => task.id,
        snapshot: () => tasks.list(lab),
        onChange: (listener) => tasks.onChange(listener),
      }),
    'pod.logs': (context, request) => guarded(() => logStream(context, accessTo(request.lab), request)),
    'pod.exec': (context, request) => guarded(() => sessions.open(context, accessTo(request.lab), request)),
  };
}

/** Errors of opening a stream cross as its last event. */
async function* guarded<T>(open: () => AsyncIterable<StreamEvent<T>>): AsyncGenerator<StreamEvent<T>> {
  try {
    yield* open();
  } catch (error) {
    yield { type: 'ERROR', status: toStatusError(error).toStatus() };
  }
}

/** Looks once a second: what components tell of themselves changes without an event. */
async function* truthStream(
  context: Context,
  options: LabHandlersOptions,
  lab: string,
): AsyncGenerator<StreamEvent<LabTruth>> {
  const { labs, clock } = options;
  let current: readonly LabTruth[] = await labs.running(lab).truths();
  const listeners = new Set<() => void>();
  const scope = context.withCancel();
  const refresh = async (): Promise<void> => {
    while (!scope.context.ended) {
      await clock.sleep(scope.context, truthsEveryMs);
      current = await labs.running(lab).truths();
      for (const listener of listeners) listener();
    }
  };
  void refresh().catch(() => scope.cancel());
  try {
    yield* keyedStream(scope.context, {
      keyOf: (truth) => truth.id,
      snapshot: () => current,
      onChange: (listener) => {
        listeners.add(listener);
        return { dispose: () => listeners.delete(listener) };
      },
    });
  } finally {
    scope.cancel();
  }
}

async function apiRequest(context: Context, labs: Labs, call: ApiCall): Promise<ApiAnswer> {
  if (!/^\/(api|apis|version|openapi|healthz|livez|readyz)(\/|$)/.test(call.path)) {
    throw new StatusError('BadRequest', `${call.path} is no path of the API server`);
  }
  const { method, path, query, body, contentType } = call;
  try {
    const answered = await labs.running(call.lab).admin.request(context, {
      method,
      path,
      ...(query ? { query } : {}),
      ...(body === undefined ? {} : { body }),
      ...(contentType ? { contentType } : {}),
    });
    return { status: method === 'POST' ? 201 : 200, body: answered };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return { status: error.code, body: error.toStatus() };
  }
}

function apiAccess(labs: Labs, home: Home, lab: string): ApiAccess {
  const { server } = labs.running(lab);
  const { caCertificate, client } = kubeconfigFacts({ name: lab, folder: home.labFolder(lab), server });
  return { server, ca: caCertificate, cert: client.certificate, key: client.key };
}

function addNode(
  context: Context,
  { labs, tasks }: LabHandlersOptions,
  request: NewNodeRequest,
): Promise<{ node: string }> {
  const { lab, node, ...rest } = request;
  const running = labs.running(lab);
  const wanted = { ...rest, ...(node === undefined ? {} : { name: node }) };
  return tasks.run(lab, { kind: 'node-add', subject: node ?? '' }, async (onSteps) => ({
    node: await running.addWorker(context, wanted, onSteps),
  }));
}

function loadImage(
  context: Context,
  { labs, tasks }: LabHandlersOptions,
  { lab, source }: LabName & { readonly source: ImageSource },
): Promise<void> {
  const running = labs.running(lab);
  const subject = 'name' in source ? source.name : source.file;
  return tasks.run(lab, { kind: 'image-load', subject }, async (onSteps) => {
    await running.loadImage(context, source, onSteps);
  });
}

function faultStream(context: Context, labs: Labs, lab: string): AsyncIterable<StreamEvent<Fault>> {
  const { faults } = labs.running(lab);
  return keyedStream(context, {
    keyOf: (fault) => fault.id,
    snapshot: () => faults.list(),
    onChange: (listener) => faults.onChange(listener),
  });
}

const reasonOf: Readonly<Record<ClusterErrorCode, StatusReason>> = {
  HOME_IN_USE: 'Conflict',
  HOME_DAMAGED: 'InternalError',
  HOME_UNWRITABLE: 'Forbidden',
  LAB_EXISTS: 'AlreadyExists',
  LAB_MISSING: 'NotFound',
  LAB_RUNNING: 'Conflict',
  LAB_STOPPED: 'Conflict',
  NODE_EXISTS: 'AlreadyExists',
  NODE_MISSING: 'NotFound',
  MASTER_MISSING: 'NotFound',
  MEMBER_MISSING: 'NotFound',
  PORT_TAKEN: 'Conflict',
  INVALID: 'Invalid',
  UNSUPPORTED: 'Invalid',
  TIMEOUT: 'Timeout',
};

function toStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (error instanceof ClusterError)
    return new StatusError(reasonOf[error.code], error.message, undefined, { cause: error });
  if (error instanceof MachineError) return statusOfMachineError(error);
  if (error instanceof CancelledError) return new StatusError('Timeout', error.message, undefined, { cause: error });
  return new StatusError('InternalError', messageOf(error), undefined, { cause: error });
}

async function answer<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStatusError(error);
  }
}

/** The same calls, with the errors of the rooms below as StatusError. */
function answered<C extends object>(calls: C): C {
  const wrap =
    (call: (...args: unknown[]) => unknown) =>
    (...args: unknown[]) =>
      answer(() => call(...args));
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, wrap(call as never)])) as C;
}

async function done(work: () => unknown): Promise<Empty> {
  await answer(work);
  return nothing;
}
