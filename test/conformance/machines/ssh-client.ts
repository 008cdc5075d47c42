import { readFileSync } from 'node:fs';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { SshConnection } from '#machines/ssh/connection';
import { execAsRoot, rootAccess } from '#machines/ssh/shell';
import type { SshTarget, TrustedHostKey } from '#machines/ssh/target';

/** A process of its own that holds a command's standard input open until it is killed. Arguments: settings file, command. */
const [settings = '', ...command] = process.argv.slice(2);
const { target, keys } = JSON.parse(readFileSync(settings, 'utf8')) as {
  readonly target: SshTarget;
  readonly keys: readonly TrustedHostKey[];
};
const context = Context.background();
const connection = await SshConnection.open(context, target, { clock: new RealClock(), trusted: () => keys });
const access = await rootAccess(context, connection, target.user, target.sudoPassword);
const session = await execAsRoot(context, connection, access, command, { stdin: true });
process.stdout.write('running\n');
await session.exit;
