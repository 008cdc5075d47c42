import type { ServerHttp2Stream } from 'node:http2';
import type { Context } from '#base/context';
import { FrameReader } from './framing.ts';
import type { UnaryHandler } from './handlers.ts';
import { okTrailers, responseHeaders, sendStatus } from './responses.ts';
import { GrpcError } from './status.ts';

export interface CallOptions {
  readonly context: Context;
  readonly cancel: () => void;
  readonly maxRequestBytes: number;
  /** The status of anything a handler throws. */
  readonly statusOf: (error: unknown) => GrpcError;
}

const withTrailers = { waitForTrailers: true } as const;

/** One request, one response. The handler runs as soon as the request's message is whole. */
export function serveUnary(stream: ServerHttp2Stream, handle: UnaryHandler, options: CallOptions): void {
  const { context, cancel, statusOf } = options;
  const reader = new FrameReader(options.maxRequestBytes);
  let started = false;
  const fail = (error: unknown): void => {
    cancel();
    sendStatus(stream, statusOf(error));
  };
  const run = (request: Buffer): void => {
    started = true;
    handle(context, request).then((response) => {
      cancel();
      sendResponse(stream, response);
    }, fail);
  };
  stream.on('data', (chunk: Buffer) => {
    if (started) return;
    try {
      const [request] = reader.push(chunk);
      if (request) run(request);
    } catch (error) {
      started = true;
      fail(error);
    }
  });
  stream.on('end', () => {
    if (!started) fail(new GrpcError('INTERNAL', 'the request ended before its message was whole'));
  });
  stream.on('close', cancel);
  context.onEnd(() => {
    if (context.endedBy === 'deadline') fail(new GrpcError('DEADLINE_EXCEEDED', 'context deadline exceeded'));
  });
}

function sendResponse(stream: ServerHttp2Stream, framed: Buffer): void {
  if (stream.destroyed || stream.headersSent) return;
  stream.respond(responseHeaders, withTrailers);
  stream.on('wantTrailers', () => stream.sendTrailers(okTrailers));
  stream.end(framed);
}
