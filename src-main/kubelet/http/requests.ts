import { StatusError } from '#api/machinery/status';
import type { ExecOptions } from '#base/streams';
import type { LogRequest } from '../server.ts';

/** What the paths and queries of the kubelet's port mean (pkg/kubelet/server, release 1.36). */

/** A container that a path names: `/exec/{namespace}/{pod}/{container}`. */
interface ContainerPath {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** Splits `path` behind its first part. Throws NotFound when a part is missing. */
export function containerPath(path: string): ContainerPath {
  const [, namespace, pod, container, more] = path.split('/').filter(Boolean).map(decodeURIComponent);
  if (!namespace || !pod || !container || more !== undefined) throw notFound();
  return { namespace, pod, container };
}

export function podPath(path: string): Omit<ContainerPath, 'container'> {
  const [, namespace, pod, more] = path.split('/').filter(Boolean).map(decodeURIComponent);
  if (!namespace || !pod || more !== undefined) throw notFound();
  return { namespace, pod };
}

export function notFound(): StatusError {
  return new StatusError('NotFound', '404 page not found');
}

function isTrue(text: string | null): boolean {
  return text === '1' || text === 'true';
}

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d+$/.test(text)) {
    throw new StatusError('BadRequest', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}

/** Throws BadRequest. */
export function logRequestOf(path: string, query: URLSearchParams): LogRequest {
  const [tailLines, limitBytes] = [numberOf(query, 'tailLines'), numberOf(query, 'limitBytes')];
  const sinceSeconds = numberOf(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime') ?? undefined;
  return {
    ...containerPath(path),
    follow: isTrue(query.get('follow')),
    previous: isTrue(query.get('previous')),
    timestamps: isTrue(query.get('timestamps')),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    ...(sinceTime === undefined ? {} : { sinceTime }),
  };
}

/** The kubelet's names for the streams: `input`, `output`, `error`, `tty`. Throws BadRequest. */
export function execOptionsOf(query: URLSearchParams): ExecOptions {
  const on = (name: string): boolean => isTrue(query.get(name));
  const options = { stdin: on('input'), stdout: on('output'), stderr: on('error') && !on('tty') };
  if (!options.stdin && !options.stdout && !on('error')) {
    throw new StatusError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr');
  }
  return { command: query.getAll('command'), tty: on('tty'), ...options };
}

/** Throws BadRequest unless the query names exactly one port. */
export function portOf(query: URLSearchParams): number {
  const texts = query.getAll('port');
  const port = Number(texts[0]);
  if (texts.length !== 1) throw new StatusError('BadRequest', 'exactly one query parameter "port" is required');
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new StatusError('BadRequest', `unable to parse ${JSON.stringify(texts[0])} as a port`);
  }
  return port;
}
