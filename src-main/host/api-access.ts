import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { StatusError } from '#api/machinery/status';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';

/** How the administrator reaches a lab's API server over the network: what streams needs a connection of its own. */
export interface ApiAccess {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  /** PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const userAgent = 'drydock-ui';

/** An answer of 2xx that is read as it comes. Ends with `context`. Throws StatusError for any other answer. */
export function openResponse(
  context: Context,
  { server, ca, cert, key }: ApiAccess,
  pathAndQuery: string,
): Promise<IncomingMessage> {
  context.check();
  return new Promise((resolve, reject) => {
    const headers = { accept: '*/*', 'user-agent': userAgent };
    const sent = httpsRequest(new URL(pathAndQuery, server), { ca, cert, key, headers, agent: false });
    const hold = context.onEnd(() => sent.destroy(new CancelledError(context.endedBy ?? 'cancelled')));
    sent.on('close', () => hold.dispose());
    sent.on('error', (error) => reject(explain(error)));
    sent.on('response', (response) => {
      const status = response.statusCode ?? 500;
      if (status < 300) resolve(response);
      else readText(response).then((text) => reject(failureOf(status, text)), reject);
    });
    sent.end();
  });
}

/** A WebSocket that is open. Ends with `context`. Throws StatusError when the server refuses it. */
export function openWebSocket(
  context: Context,
  { server, ca, cert, key }: ApiAccess,
  pathAndQuery: string,
  protocols: string[],
): Promise<WebSocket> {
  context.check();
  return new Promise((resolve, reject) => {
    const url = new URL(pathAndQuery, server);
    url.protocol = 'wss:';
    const socket = new WebSocket(url, protocols, { ca, cert, key, headers: { 'user-agent': userAgent } });
    const hold = context.onEnd(() => socket.terminate());
    socket.on('close', () => hold.dispose());
    socket.on('open', () => resolve(socket));
    socket.on('error', (error) => reject(explain(error)));
    socket.on('unexpected-response', (request, response) => {
      readText(response)
        .then((text) => reject(failureOf(response.statusCode ?? 500, text)), reject)
        .finally(() => request.destroy());
    });
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += String(chunk);
  return text;
}

function failureOf(status: number, text: string): StatusError {
  try {
    return StatusError.fromWire(status, JSON.parse(text));
  } catch {
    return StatusError.fromWire(status, text);
  }
}

function explain(error: Error): Error {
  if (error instanceof CancelledError) return error;
  const message = `the API server does not answer: ${messageOf(error)}`;
  return new StatusError('ServiceUnavailable', message, undefined, { cause: error });
}
