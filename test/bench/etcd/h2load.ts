import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface Load {
  readonly endpoint: string;
  readonly path: string;
  /** File with the framed request. */
  readonly body: string;
  readonly requests: number;
  readonly inFlight: number;
}

/** Calls a second of the native client: up to 16 streams on each of its connections, one thread. */
export async function h2load({ endpoint, path, body, requests, inFlight }: Load): Promise<number> {
  const clients = Math.max(1, inFlight / 16);
  const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
  const load = ['-n', String(requests), '-c', String(clients), '-m', String(Math.min(16, inFlight)), '-t', '1'];
  const { stdout } = await promisify(execFile)('h2load', [...load, '-d', body, ...headers, `${endpoint}${path}`]);
  const perSecond = Number(/finished in .*?, ([\d.]+) req\/s/.exec(stdout)?.[1]);
  const succeeded = Number(/(\d+) succeeded/.exec(stdout)?.[1]);
  if (succeeded !== requests) throw new Error(`h2load: only ${succeeded} of ${requests} succeeded\n${stdout}`);
  return perSecond;
}
