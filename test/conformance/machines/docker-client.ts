import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { DockerDriver } from '#machines/docker/driver';

/** A process of its own that holds a command's standard input open until it is killed. Arguments: home, command. */
const [home = '', ...command] = process.argv.slice(2);
const driver = new DockerDriver({ home, clock: new RealClock(), logger: silentLogger, agentBundle: '' });
const machine = driver.lab('conformance').machine('worker-1', { cpus: 1, memoryBytes: 1024 ** 3 }, 2);
const session = await machine.exec(Context.background(), command, { stdin: true });
process.stdout.write('running\n');
await session.exit;
