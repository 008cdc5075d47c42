import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { CriError, type CriErrorCode } from '../cri.ts';
import { decodeMessage, encodeMessage } from './schema.ts';

/** How long a runtime may take for a call that says nothing else: the kubelet's runtimeRequestTimeout. */
const defaultTimeoutMs = 2 * 60_000;
/** The most a runtime may answer, as upstream's kubelet has it. */
const maxMessageBytes = 16 * 1024 * 1024;

const codes: Readonly<Partial<Record<status, CriErrorCode>>> = {
  [status.NOT_FOUND]: 'NotFound',
  [status.ALREADY_EXISTS]: 'AlreadyExists',
  [status.INVALID_ARGUMENT]: 'InvalidArgument',
  [status.FAILED_PRECONDITION]: 'FailedPrecondition',
  [status.DEADLINE_EXCEEDED]: 'DeadlineExceeded',
  [status.UNAVAILABLE]: 'Unavailable',
};

export interface CallOptions {
  /** Which messages go and come, where they are not named after the method. */
  readonly request?: string;
  readonly response?: string;
  /** `undefined` is no limit. */
  readonly timeoutMs?: number | undefined;
}

/** The gRPC connection to one runtime. It connects when first used and again whenever the runtime comes back. */
export class CriConnection {
  readonly #client: Client;
  readonly #clock: Clock;

  constructor(endpoint: string, clock: Clock) {
    this.#clock = clock;
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.enable_http_proxy': 0,
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 3000,
    });
  }

  close(): void {
    this.#client.close();
  }

  /** `RuntimeService/Version`. Throws CriError, or CancelledError when `context` ends first. */
  async call<Response>(
    context: Context,
    method: string,
    message: object,
    options: CallOptions = {},
  ): Promise<Response> {
    context.check();
    const name = method.slice(method.indexOf('/') + 1);
    const timeoutMs = 'timeoutMs' in options ? options.timeoutMs : defaultTimeoutMs;
    const limit = timeoutMs === undefined ? context.withCancel() : context.withTimeout(this.#clock, timeoutMs);
    try {
      return await this.#unary<Response>(
        limit.context,
        `/runtime.v1.${method}`,
        (body: object) => encodeMessage(options.request ?? `${name}Request`, body),
        (bytes) => decodeMessage<Response>(options.response ?? `${name}Response`, bytes),
        message,
      );
    } catch (error) {
      context.check();
      if (error instanceof CancelledError) {
        throw new CriError('DeadlineExceeded', `the container runtime did not answer ${name} in time`, {
          cause: error,
        });
      }
      throw criErrorOf(error);
    } finally {
      limit.cancel();
    }
  }

  #unary<Response>(
    context: Context,
    path: string,
    serialize: (body: object) => Buffer,
    deserialize: (bytes: Buffer) => Response,
    message: object,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path,
        serialize,
        deserialize,
        message,
        new Metadata(),
        (error, value) => {
          ending.dispose();
          if (error) reject(error);
          else if (value === undefined) reject(new CriError('Unknown', `${path} was answered with nothing`));
          else resolve(value);
        },
      );
      const ending = context.onEnd(() => {
        call.cancel();
        reject(new CancelledError(context.endedBy ?? 'cancelled'));
      });
    });
  }

  /** Every message of `RuntimeService/GetContainerEvents`, until the runtime or `context` ends it. Throws what gRPC throws. */
  async *events(context: Context): AsyncGenerator<{ readonly container_id: string }> {
    const stream = this.#client.makeServerStreamRequest(
      '/runtime.v1.RuntimeService/GetContainerEvents',
      (body: object) => encodeMessage('Empty', body),
      (bytes) => decodeMessage<{ readonly container_id: string }>('ContainerEventResponse', bytes),
      {},
    );
    const ending = context.onEnd(() => stream.cancel());
    try {
      for await (const message of stream as AsyncIterable<{ readonly container_id: string }>) yield message;
    } finally {
      ending.dispose();
      stream.cancel();
    }
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error;
}

function criErrorOf(error: unknown): unknown {
  if (!isServiceError(error)) return error;
  return new CriError(codes[error.code] ?? 'Unknown', error.details, { cause: error });
}
