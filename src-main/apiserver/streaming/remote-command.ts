import { messageOf } from '#base/errors';
import type { ExecOptions } from '#base/streams';
import { StatusError } from '#api/machinery/status';
import { isTrue } from '../http/request-info.ts';

/** Reads `PodExecOptions` and `PodAttachOptions` off a query. Throws BadRequest. */
export function execOptionsOf(query: URLSearchParams, subresource: string): ExecOptions {
  const on = (name: string): boolean => isTrue(query.get(name));
  const tty = on('tty');
  const options = {
    command: query.getAll('command'),
    ...{ tty, stdin: on('stdin'), stdout: on('stdout'), stderr: on('stderr') && !tty },
  };
  if (!options.stdin && !options.stdout && !on('stderr')) {
    throw new StatusError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr');
  }
  if (subresource === 'exec' && options.command.length === 0) {
    throw new StatusError('BadRequest', 'you must specify at least one command for the exec');
  }
  return options;
}

/** What the error channel says of a failure. */
export function streamStatusOf(error: unknown): unknown {
  if (error instanceof StatusError) return error.toStatus();
  return new StatusError('InternalError', `Internal error occurred: ${messageOf(error)}`, {
    causes: [{ message: messageOf(error) }],
  }).toStatus();
}
