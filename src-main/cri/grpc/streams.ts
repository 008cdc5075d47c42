import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { ByteStream, ExecOptions, ExecSession } from '#base/streams';
import { connectSpdy } from '#streaming/spdy/connect';
import { openPortForward, portForwardSpdyProtocols } from '#streaming/spdy/port-forward';
import { openRemoteCommand, remoteCommandSpdyProtocols } from '#streaming/spdy/remote-command';
import { CriError } from '../cri.ts';

/**
 * What a runtime's streaming server carries, at an address it gave out for one use. The context ends the session as long
 * as it lasts.
 */
export async function execAt(
  context: Context,
  url: string,
  options: Omit<ExecOptions, 'command'>,
): Promise<ExecSession> {
  return reaching(context, async () => {
    const connection = await connectSpdy(context, url, remoteCommandSpdyProtocols);
    try {
      const session = await openRemoteCommand(connection, options, failure);
      const exit = session.exit.catch((error: unknown) => {
        context.check();
        throw error instanceof CriError ? error : lost(error);
      });
      exit.catch(() => undefined); // whoever awaits `exit` hears of it
      return { ...session, exit: exit.finally(() => connection.close()) };
    } catch (error) {
      connection.close();
      throw error;
    }
  });
}

export async function portForwardAt(context: Context, url: string, port: number): Promise<ByteStream> {
  return reaching(context, async () => {
    const connection = await connectSpdy(context, url, portForwardSpdyProtocols);
    try {
      return await openPortForward(connection, port, (message) => new CriError('Unavailable', message));
    } catch (error) {
      connection.close();
      throw error;
    }
  });
}

async function reaching<T>(context: Context, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    context.check();
    throw lost(error);
  }
}

function lost(error: unknown): CriError {
  return new CriError('Unavailable', `the container runtime's streaming server: ${messageOf(error)}`, { cause: error });
}

/** A Status that tells of no exit code: the command could not be started. */
function failure(status: unknown): CriError {
  const { message } = status as { readonly message?: unknown };
  return new CriError('Unknown', typeof message === 'string' ? message : 'the command could not be started');
}
