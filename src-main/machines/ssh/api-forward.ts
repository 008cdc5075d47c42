import type { Context } from '#base/context';
import type { ByteStream } from '#base/streams';
import { MachineError } from '../errors.ts';
import type { SshConnection } from './connection.ts';
import type { RemoteShell } from './remote-shell.ts';
import { collect } from './shell.ts';

/**
 * Ends the sshd process of our last connection and notes the one of this. After a cut nobody told that process that its
 * peer is gone: it would hold the forwarded port until its own time-out. `$1` is the port, `$2` the new process.
 */
const takeOverScript = `
note=/run/drydock/link-$1
start_of() { { read -r stat <"/proc/$1/stat"; } 2>/dev/null && set -- \${stat##*) } && shift 19 && echo $1; }
if { read -r pid start <$note; } 2>/dev/null && [ "$pid" != "$2" ] && [ "$(start_of "$pid")" = "$start" ]; then
  read -r name </proc/$pid/comm
  case $name in sshd*) kill -KILL "$pid" ;; esac
fi
mkdir -p /run/drydock && echo "$2 $(start_of "$2")" >$note
`;

const tries = 10;

/** Makes 127.0.0.1:`port` of the machine lead to `onConnection`. Throws MachineError ADDRESS_CLASH when others have the port. */
export async function forwardApi(
  context: Context,
  connection: SshConnection,
  shell: RemoteShell,
  port: number,
  onConnection: (stream: ByteStream) => void,
): Promise<void> {
  const own = await collect(context, await connection.exec(context, 'echo $PPID', { stdin: false }));
  await shell.run(context, takeOverScript, {
    args: [String(port), own.stdout.trim()],
    failure: 'The last connection could not be ended',
  });
  for (let left = tries; ; left--) {
    try {
      return await connection.listen(context, port, onConnection);
    } catch (error) {
      // The kernel may still be closing what the last process had.
      if (left === 0 || !(error instanceof MachineError) || error.code !== 'ADDRESS_CLASH') throw error;
      await shell.try(context, 'sleep 0.2');
    }
  }
}
