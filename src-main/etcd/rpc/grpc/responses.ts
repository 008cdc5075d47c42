import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { encodeGrpcMessage, grpcCodes, type GrpcError } from './status.ts';

export const responseHeaders: OutgoingHttpHeaders = { ':status': 200, 'content-type': 'application/grpc' };
export const okTrailers: OutgoingHttpHeaders = { 'grpc-status': '0' };

export function trailersOf(error: GrpcError): OutgoingHttpHeaders {
  return { 'grpc-status': String(grpcCodes[error.code]), 'grpc-message': encodeGrpcMessage(error.message) };
}

/** Ends a call that has sent nothing yet with its status alone ("trailers only"). */
export function sendStatus(stream: ServerHttp2Stream, error: GrpcError): void {
  if (stream.destroyed || stream.headersSent) return;
  stream.respond({ ...responseHeaders, ...trailersOf(error) }, { endStream: true });
  // What the client still sends is of no use to anybody.
  stream.resume();
}
