import type { ContainerStatus as ApiContainerStatus, Pod, PodStatus } from '#api/gen/types';
import { StatusError } from '#api/machinery/status';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { ByteStream, ExecOptions, ExecSession } from '#base/streams';
import { CriError, type LogRecord } from '#cri/cri';
import type { KubeletFacts } from './options.ts';
import { readySandbox, type PodView } from './runtime-view.ts';

export interface LogRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly sinceSeconds?: number;
  readonly sinceTime?: string;
}

/** What the server needs to know of a pod on this node. */
export interface ServedPod {
  readonly pod: Pod;
  readonly view: PodView;
  readonly status: PodStatus;
}

/** What the API server asks of a kubelet (pkg/kubelet/server, release 1.36). Throws StatusError with upstream's texts. */
export class KubeletServer {
  readonly #options: KubeletFacts;
  readonly #find: (namespace: string, name: string) => ServedPod | undefined;
  readonly #running: () => boolean;

  constructor(
    options: KubeletFacts,
    find: (namespace: string, name: string) => ServedPod | undefined,
    running: () => boolean,
  ) {
    this.#options = options;
    this.#find = find;
    this.#running = running;
  }

  async logs(context: Context, request: LogRequest): Promise<AsyncIterable<Uint8Array>> {
    const served = this.#require(request.namespace, request.pod);
    const id = this.#logContainer(served, request);
    const sinceMs =
      request.sinceSeconds !== undefined
        ? this.#options.clock.now() - request.sinceSeconds * 1000
        : request.sinceTime
          ? Date.parse(request.sinceTime)
          : undefined;
    const records = await this.#options.runtime
      .containerLog(context, id, {
        follow: request.follow && !request.previous,
        ...(request.tailLines === undefined ? {} : { tailLines: request.tailLines }),
        ...(sinceMs === undefined ? {} : { sinceMs }),
      })
      .catch((error: unknown) => {
        throw new StatusError('InternalError', messageOf(error), undefined, { cause: error });
      });
    return formatLog(records, request.timestamps, request.limitBytes);
  }

  async exec(
    context: Context,
    namespace: string,
    pod: string,
    container: string,
    options: ExecOptions,
  ): Promise<ExecSession> {
    const id = this.#runningContainer(namespace, pod, container);
    try {
      return await this.#options.runtime.exec(context, id, options);
    } catch (error) {
      if (!(error instanceof CriError)) throw error;
      const text = `Internal error occurred: error executing command in container: ${error.message}`;
      return failedSession(new StatusError('InternalError', text, undefined, { cause: error }));
    }
  }

  async attach(
    context: Context,
    namespace: string,
    pod: string,
    container: string,
    options: ExecOptions,
  ): Promise<ExecSession> {
    const id = this.#runningContainer(namespace, pod, container);
    try {
      return await this.#options.runtime.attach(context, id, options);
    } catch (error) {
      if (!(error instanceof CriError)) throw error;
      throw new StatusError('InternalError', `error attaching to container: ${error.message}`, undefined, {
        cause: error,
      });
    }
  }

  async portForward(context: Context, namespace: string, pod: string, port: number): Promise<ByteStream> {
    const served = this.#require(namespace, pod);
    const sandbox = readySandbox(served.view);
    if (!sandbox) throw new StatusError('InternalError', `error forwarding port ${port} to pod ${pod}: not found`);
    try {
      return await this.#options.runtime.portForward(context, sandbox.id, port);
    } catch (error) {
      if (!(error instanceof CriError)) throw error;
      const text = `error forwarding port ${port} to pod ${sandbox.id}, uid : failed to execute portforward in network namespace "/var/run/netns/cni": ${error.message}`;
      throw new StatusError('InternalError', text, undefined, { cause: error });
    }
  }

  #require(namespace: string, name: string): ServedPod {
    if (!this.#running()) {
      const { machine, nodeName } = this.#options;
      const text = `dial tcp ${machine.internalIP}:10250: connect: connection refused`;
      throw new StatusError('ServiceUnavailable', `error dialing backend: ${text}`, { name: nodeName }, { code: 502 });
    }
    const served = this.#find(namespace, name);
    if (!served) throw new StatusError('NotFound', `pod "${name}" not found`, { name, kind: 'pods' });
    return served;
  }

  #status(served: ServedPod, container: string): ApiContainerStatus | undefined {
    const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = served.status;
    return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
      (item) => item.name === container,
    );
  }

  /** The id of the container whose log is asked for (`validateContainerLogStatus`, pkg/kubelet). */
  #logContainer(served: ServedPod, request: LogRequest): string {
    const { container, pod, previous } = request;
    const status = this.#status(served, container);
    const where = `container "${container}" in pod "${pod}"`;
    if (!status) throw new StatusError('BadRequest', `${where} is not available`);
    const { state = {}, lastState = {} } = status;
    const last = lastState.terminated?.containerID;
    if (previous) {
      if (last) return idOf(last);
      throw new StatusError('BadRequest', `previous terminated ${where} not found`);
    }
    if (state.running && status.containerID) return idOf(status.containerID);
    if (state.terminated?.containerID) return idOf(state.terminated.containerID);
    if (last) return idOf(last);
    const reason = state.waiting?.reason ?? '';
    const why =
      reason === 'ErrImagePull'
        ? "image can't be pulled"
        : reason === 'ImagePullBackOff'
          ? 'trying and failing to pull image'
          : reason;
    throw new StatusError('BadRequest', `${where} is waiting to start: ${why}`);
  }

  #runningContainer(namespace: string, pod: string, container: string): string {
    const status = this.#status(this.#require(namespace, pod), container);
    if (status?.state?.running && status.containerID) return idOf(status.containerID);
    throw new StatusError('InternalError', `unable to upgrade connection: container not found ("${container}")`);
  }
}

/** `simulator://abc` names container `abc`. */
function idOf(containerID: string): string {
  return containerID.slice(containerID.indexOf('://') + 3);
}

async function* formatLog(
  records: AsyncIterable<LogRecord>,
  timestamps: boolean,
  limitBytes: number | undefined,
): AsyncGenerator<Uint8Array> {
  let left = limitBytes ?? Infinity;
  let continued = false;
  for await (const record of records) {
    const prefix = timestamps && !continued ? `${record.timestamp} ` : '';
    continued = record.partial;
    const line = Buffer.concat([Buffer.from(prefix), record.text, Buffer.from(record.partial ? '' : '\n')]);
    yield line.length > left ? line.subarray(0, left) : line;
    left -= line.length;
    if (left <= 0) return;
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** A session whose command could not be started: the error goes to the client over the session's own channel. */
function failedSession(error: StatusError): ExecSession {
  const exit = Promise.reject<{ exitCode: number }>(error);
  exit.catch(() => undefined); // the session's reader hears of it; until then it is not unhandled
  return { stdin: undefined, stdout: nothing(), stderr: nothing(), resize: () => {}, exit, close: () => {} };
}
