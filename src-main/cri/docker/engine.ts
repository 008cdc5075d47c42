import Dockerode from 'dockerode';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import { CriError, type CriErrorCode } from '../cri.ts';

/** What the engine's HTTP answers mean; anything else is Unknown. */
const codes: Readonly<Record<number, CriErrorCode>> = {
  400: 'InvalidArgument',
  404: 'NotFound',
  409: 'FailedPrecondition',
  503: 'Unavailable',
};

const unreachable: ReadonlySet<string> = new Set([
  ...['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND', 'EACCES'],
]);

/** One Docker Engine. Whatever dockerode throws inside `call` becomes a CriError, once and here. */
export class DockerConnection {
  readonly #endpoint: string;
  readonly #docker: Dockerode;

  /** `unix:///var/run/docker.sock`, a path, `tcp://host:port` or a Windows pipe. */
  constructor(endpoint: string) {
    this.#endpoint = endpoint;
    this.#docker = new Dockerode(optionsOf(endpoint));
  }

  /** Runs one request. Throws CriError with what the engine says, or CancelledError when `context` ends first. */
  async call<T>(context: Context, request: (docker: Dockerode) => Promise<T>): Promise<T> {
    context.check();
    let forget = (): void => undefined;
    const ended = new Promise<never>((_, reject) => {
      const end = context.onEnd(() => reject(new CancelledError(context.endedBy ?? 'cancelled')));
      forget = () => end.dispose();
    });
    try {
      return await Promise.race([request(this.#docker), ended]);
    } catch (error) {
      context.check();
      throw this.#errorOf(error);
    } finally {
      forget();
    }
  }

  #errorOf(error: unknown): unknown {
    if (error instanceof CriError) return error;
    const { code, statusCode, json } = (typeof error === 'object' && error !== null ? error : {}) as EngineError;
    const cause = { cause: error };
    if (typeof statusCode === 'number') {
      const told = json?.message;
      const text = typeof told === 'string' ? told : messageOf(error);
      return new CriError(codes[statusCode] ?? 'Unknown', text.trim(), cause);
    }
    if (typeof code === 'string' && unreachable.has(code)) {
      const advice = code === 'EACCES' ? 'you may not use its socket' : 'it does not answer';
      return new CriError('Unavailable', `the Docker Engine at ${this.#endpoint}: ${advice} (${code})`, cause);
    }
    return new CriError('Unknown', `the Docker Engine: ${messageOf(error)}`, cause);
  }
}

/** What docker-modem throws: a system call's code, or the engine's HTTP answer. */
interface EngineError {
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly json?: { readonly message?: unknown } | null;
}

/** The HTTP status of the answer behind an error; undefined when there was none. */
export function statusCodeOf(error: unknown): number | undefined {
  const cause = error instanceof CriError ? error.cause : undefined;
  const { statusCode } = (typeof cause === 'object' && cause !== null ? cause : {}) as EngineError;
  return typeof statusCode === 'number' ? statusCode : undefined;
}

/** Undefined for an answer that only says that there is nothing to do. */
export async function ignoring<T>(statusCodes: readonly number[], answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const status = statusCodeOf(error);
    if (status !== undefined && statusCodes.includes(status)) return undefined;
    throw error;
  }
}

function optionsOf(endpoint: string): Dockerode.DockerOptions {
  const url = /^(tcp|http|https):\/\/([^:/]+):(\d+)/.exec(endpoint);
  if (url) return { protocol: url[1] === 'https' ? 'https' : 'http', host: url[2] ?? '', port: url[3] ?? '' };
  return { socketPath: endpoint.replace(/^(unix|npipe):\/\//, '') };
}
