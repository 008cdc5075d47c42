import type { WatchEvent } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { ApiHandler, ApiRequest, ApiResponse, UserInfo } from '#apiserver/request';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { deepFreeze } from '#base/freeze';
import { Pacer } from '#base/pacer';
import type { Transport, TransportRequest } from '#client/transport';

export interface InProcessTransportOptions {
  readonly handler: ApiHandler;
  /** As whom; nobody is authenticated again. */
  readonly user: UserInfo;
  /** For example `kube-scheduler/v1.36.0 (linux/amd64) drydock`. */
  readonly userAgent: string;
}

/**
 * {@link Transport} to an API server in the same process: the same requests, authorised and admitted as any other, but
 * objects are handed over frozen both ways and nothing is encoded. As no socket comes between callers and server, this is where
 * they take turns.
 */
export class InProcessTransport implements Transport {
  readonly #options: InProcessTransportOptions;
  readonly #pacer = new Pacer();

  constructor(options: InProcessTransportOptions) {
    this.#options = options;
  }

  async request(context: Context, request: TransportRequest): Promise<unknown> {
    const response = await this.#handle(context, request, request.query ?? {});
    if (response.kind === 'object') return deepFreeze(response.object);
    if (response.kind === 'text') return response.text;
    if (response.kind === 'bytes') return gatherText(response.chunks);
    throw new StatusError('NotAcceptable', `${request.path} answers a stream, which only a connection can carry`);
  }

  async watch(context: Context, request: TransportRequest): Promise<AsyncIterable<WatchEvent>> {
    const lifetime = context.withCancel();
    try {
      const response = await this.#handle(lifetime.context, request, { ...request.query, watch: 'true' });
      if (response.kind === 'watch') return framesOf(context, response.events, lifetime.cancel);
      throw new StatusError('NotAcceptable', `${request.path} cannot be watched`);
    } catch (error) {
      lifetime.cancel();
      throw error;
    }
  }

  async #handle(
    context: Context,
    request: TransportRequest,
    query: Readonly<Record<string, string>>,
  ): Promise<ApiResponse> {
    if (this.#pacer.due) await this.#pacer.pace();
    context.check();
    const response = await untilEnd(
      context,
      this.#options.handler.handle(context, this.#apiRequest(context, request, query)),
    );
    // Hundreds of writes that shared a flush are answered in one turn: their callers go on in as many turns as it takes.
    if (this.#pacer.due) await this.#pacer.pace();
    if ('status' in response && response.status >= 400) throw failureOf(response);
    return response;
  }

  #apiRequest(context: Context, request: TransportRequest, query: Readonly<Record<string, string>>): ApiRequest {
    const { user, userAgent } = this.#options;
    return {
      method: request.method,
      path: request.path,
      query: new URLSearchParams(query),
      headers: { ...request.headers, 'user-agent': userAgent },
      body: deepFreeze(request.body),
      contentType: request.contentType ?? 'application/json',
      user,
      cause: context.cause,
    };
  }
}

function failureOf(response: ApiResponse): StatusError {
  if (response.kind === 'object') return StatusError.fromWire(response.status, response.object);
  if (response.kind === 'text') return StatusError.fromWire(response.status, response.text);
  return StatusError.fromWire(500, undefined);
}

/** The answer, or CancelledError as soon as `context` ends, whoever still works on it. */
function untilEnd<T>(context: Context, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const ending = context.onEnd(() => reject(new CancelledError(context.endedBy ?? 'cancelled')));
    answer.then(resolve, reject).finally(() => ending.dispose());
  });
}

async function* framesOf(
  context: Context,
  frames: AsyncIterable<WatchEvent>,
  cancel: () => void,
): AsyncGenerator<WatchEvent> {
  try {
    for await (const frame of frames) {
      context.check();
      yield frame;
    }
    context.check();
  } finally {
    cancel();
  }
}

/** Bytes that end, such as a log that is not followed, as the text they are. */
async function gatherText(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of chunks) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}
