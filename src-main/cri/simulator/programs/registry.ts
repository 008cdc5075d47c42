import type { Program } from '../process.ts';
import { userlandCommands } from '../userland.ts';
import {
  agnhost,
  echoServer,
  helloApp,
  httpEcho,
  kubernetesBootcamp,
  nginxHello,
  whoamiServer,
} from './demo-servers.ts';
import { redisCli, redisServer } from './redis.ts';
import { sleep } from './sleep.ts';
import { httpd, nginx, python3, untilSignal } from './web-server.ts';

/** registry.k8s.io/pause. */
const pause: Program = async (process) => {
  await untilSignal(process, 'TERM', 'INT');
  return 0;
};

/** Entrypoint scripts of images: they prepare, then become their arguments. */
const dockerEntrypoint: Program = async (process) => {
  const [, ...args] = process.argv;
  const isNginx = args[0] === 'nginx' || args[0] === 'nginx-hello';
  if (isNginx) {
    await process.print(
      '/docker-entrypoint.sh: /docker-entrypoint.d/ is not empty, will attempt to perform configuration\n',
    );
    await process.print('/docker-entrypoint.sh: Configuration complete; ready for start up\n');
  }
  // `curl`'s and redis's scripts put their program in front of arguments that name none.
  const [name = ''] = args;
  const redis = (): boolean => process.host.program('redis-server', process.env) !== undefined;
  const argv = name.startsWith('-') ? [redis() ? 'redis-server' : 'curl', ...args] : args;
  const program = process.host.program(argv[0] ?? '', process.env);
  if (!program) {
    await process.complain(`${process.argv[0] ?? ''}: exec: line 47: ${argv[0] ?? ''}: not found\n`);
    return 127;
  }
  process.argv = argv;
  return program(process);
};

/** The part that interprets shell scripts is big: it is loaded when the first shell or borrowed command runs. */
const shell: Program = async (process) => (await import('../shell/program.ts')).shellProgram(process);

function command(name: string): Program {
  return async (process) => (await import('../commands/table.ts')).runCommand(name, process);
}

/** Every binary the simulator has, by name. */
export const builtInPrograms: ReadonlyMap<string, Program> = new Map<string, Program>([
  ...[...userlandCommands('busybox'), ...userlandCommands('debian'), 'curl'].map(
    (name) => [name, command(name)] as const,
  ),
  ...['sh', 'ash', 'bash', 'dash'].map((name) => [name, shell] as const),
  ['sleep', sleep],
  ['pause', pause],
  ['docker-entrypoint', dockerEntrypoint],
  ['nginx', nginx],
  ['nginx-hello', nginxHello],
  ['httpd', httpd],
  ['python3', python3],
  ['redis-server', redisServer],
  ['redis-cli', redisCli],
  ['whoami-server', whoamiServer],
  ['http-echo', httpEcho],
  ['hello-app', helloApp],
  ['kubernetes-bootcamp', kubernetesBootcamp],
  ['echoserver', echoServer],
  ['agnhost', agnhost],
]);
