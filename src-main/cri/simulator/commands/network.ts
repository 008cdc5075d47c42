import { DialError, type Socket } from '#base/streams';
import { encodeText } from '../byte-pipe.ts';
import { NameError, readResolverConfig, StubResolver } from '../name-resolution.ts';
import type { Process, Program } from '../process.ts';
import { curl } from './curl.ts';
import { wget } from './wget.ts';

function resolverOf(process: Process): StubResolver {
  return new StubResolver(process.host.network, process.host.files, process.host.random);
}

/** Options that take a value, and what is left over. */
function parseFlags(
  args: readonly string[],
  valued: string,
): { readonly flags: Map<string, string>; readonly operands: string[] } {
  const flags = new Map<string, string>();
  const operands: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (!/^-[a-zA-Z46]/.test(arg)) {
      operands.push(arg);
      continue;
    }
    for (let letter = 1; letter < arg.length; letter++) {
      const name = arg.charAt(letter);
      if (!valued.includes(name)) flags.set(name, '');
      else {
        flags.set(name, arg.slice(letter + 1) || (args[++at] ?? ''));
        break;
      }
    }
  }
  return { flags, operands };
}

const nc: Program = async (process) => {
  const { flags, operands } = parseFlags(process.argv.slice(1), 'wpis');
  if (flags.has('l')) return listen(process, Number(flags.get('p') ?? operands.at(-1) ?? 0));
  const [host = '', portText = ''] = operands;
  const port = Number(portText);
  const limitMs = flags.has('w') ? Number(flags.get('w')) * 1000 : undefined;
  const { context, cancel } =
    limitMs === undefined ? process.context.withCancel() : process.context.withTimeout(process.host.clock, limitMs);
  try {
    const [ip = ''] = await resolverOf(process).addresses(context, host);
    const socket = await process.host.network.dial(context, { ip, port });
    if (flags.has('v')) await process.complain(`${host} (${ip}:${port}) open\n`);
    if (flags.has('z')) {
      socket.destroy();
      return 0;
    }
    return await relay(process, socket);
  } catch (error) {
    process.context.check();
    if (error instanceof NameError) await process.complain(`nc: bad address '${host}'\n`);
    else if (context.endedBy === 'deadline') await process.complain('nc: timed out\n');
    else if (error instanceof DialError) {
      const text =
        error.code === 'ECONNREFUSED'
          ? 'Connection refused'
          : error.code === 'ETIMEDOUT'
            ? 'Connection timed out'
            : 'Host is unreachable';
      if (!flags.has('z') || flags.has('v')) await process.complain(`nc: ${host} (${host}:${port}): ${text}\n`);
    } else throw error;
    return 1;
  } finally {
    cancel();
  }
};

/** Both ways until the far end closes. */
async function relay(process: Process, socket: Socket): Promise<number> {
  const { stdin, stdout } = process.io;
  const sending = (async () => {
    for (let chunk = await stdin.read(process.context); chunk; chunk = await stdin.read(process.context))
      await socket.write(chunk);
    socket.end();
  })();
  sending.catch((error: unknown) => socket.destroy(error instanceof Error ? error : undefined));
  for await (const chunk of socket.incoming) await stdout.write(chunk);
  socket.destroy();
  return 0;
}

async function listen(process: Process, port: number): Promise<number> {
  const socket = await new Promise<Socket>((resolve) => {
    const listener = process.host.network.listen(port, (accepted) => {
      listener.dispose();
      resolve(accepted);
    });
    process.context.onEnd(() => listener.dispose());
  });
  return relay(process, socket);
}

const recordTypes = ['A', 'AAAA', 'SRV', 'PTR', 'CNAME', 'TXT'] as const;

/** busybox's nslookup: the server, then an answer for every name of the search list that has one. */
const nslookup: Program = async (process) => {
  const typeFlag = process.argv
    .find((arg) => /^-(?:query|type|q)=/i.test(arg))
    ?.split('=')[1]
    ?.toUpperCase();
  const wanted = recordTypes.find((type) => type === typeFlag);
  const [host = '', server] = process.argv.slice(1).filter((arg) => !arg.startsWith('-'));
  const resolver = resolverOf(process);
  const nameServer = server
    ? (await resolver.addresses(process.context, server))[0]
    : readResolverConfig(process.host.files).servers[0];
  await process.print(`Server:\t\t${nameServer ?? ''}\nAddress:\t${nameServer ?? ''}:53\n\n`);
  let found = false;
  try {
    for (const name of resolver.candidates(host)) {
      const packet = await resolver.query(process.context, name, wanted ?? 'A', nameServer);
      const lines = (packet.answers ?? []).map((answer) =>
        describeAnswer(answer.name, answer.type, 'data' in answer ? answer.data : ''),
      );
      if (lines.length > 0) {
        await process.print(`${lines.join('')}\n`);
        found = true;
        break;
      }
      const status =
        packet.rcode === 'NOERROR' ? '' : `** server can't find ${name}: ${packet.rcode ?? 'NXDOMAIN'}\n\n`;
      await process.print(status);
    }
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    await process.print(';; connection timed out; no servers could be reached\n\n');
  }
  return found ? 0 : 1;
};

function describeAnswer(name: string, type: string, value: unknown): string {
  if (type === 'A' || type === 'AAAA') return `Name:\t${name}\nAddress: ${String(value)}\n`;
  if (type === 'SRV') {
    const { priority, weight, port, target } = value as {
      priority: number;
      weight: number;
      port: number;
      target: string;
    };
    return `${name}\tservice = ${priority} ${weight} ${port} ${target}\n`;
  }
  return `${name}\t${type === 'PTR' ? 'name' : type.toLowerCase()} = ${String(value)}\n`;
}

/** There is no ICMP on the simulated network, and to pretend would mislead. */
const ping: Program = async (process) => {
  const host =
    process.argv
      .slice(1)
      .filter((arg) => !arg.startsWith('-'))
      .at(-1) ?? '';
  try {
    const [ip = ''] = await resolverOf(process).addresses(process.context, host);
    await process.print(`PING ${host} (${ip}): 56 data bytes\n`);
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    await process.complain(`ping: bad address '${host}'\n`);
    return 1;
  }
  await process.complain('ping: the simulated network carries TCP and UDP, no ICMP: try nc -z or wget\n');
  return 1;
};

const getent: Program = async (process) => {
  const [, database, name = ''] = process.argv;
  if (database !== 'hosts' && database !== 'ahosts') {
    await process.complain(`Unknown database: ${database ?? ''}\n`);
    return 1;
  }
  try {
    for (const ip of await resolverOf(process).addresses(process.context, name))
      await process.print(`${ip.padEnd(16)}${name}\n`);
    return 0;
  } catch (error) {
    if (error instanceof NameError) return 2;
    throw error;
  }
};

const ip: Program = async (process) => {
  const [what = ''] = process.argv.slice(1).filter((arg) => !arg.startsWith('-'));
  const address = process.host.network.ip;
  if ('route'.startsWith(what) && what !== '') await process.print(`default via ${gateway(address)} dev eth0 \n`);
  else {
    await process.print(
      `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever\n2: eth0@if7: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu 1500 qdisc noqueue \n    link/ether ${macOf(address)} brd ff:ff:ff:ff:ff:ff\n    inet ${address}/24 brd ${address.replace(/\.\d+$/, '.255')} scope global eth0\n       valid_lft forever preferred_lft forever\n`,
    );
  }
  return 0;
};

function gateway(address: string): string {
  return address.replace(/\.\d+$/, '.1');
}

function macOf(address: string): string {
  return ['02', '42', ...address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))].join(':');
}

const ifconfig: Program = async (process) => {
  const address = process.host.network.ip;
  await process.print(
    `eth0      Link encap:Ethernet  HWaddr ${macOf(address).toUpperCase()}  \n          inet addr:${address}  Bcast:${address.replace(/\.\d+$/, '.255')}  Mask:255.255.255.0\n          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n\nlo        Link encap:Local Loopback  \n          inet addr:127.0.0.1  Mask:255.0.0.0\n          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n\n`,
  );
  return 0;
};

const netstat: Program = async (process) => {
  await process.io.stdout.write(
    encodeText(
      'Active Internet connections (only servers)\nProto Recv-Q Send-Q Local Address           Foreign Address         State       \n',
    ),
  );
  return 0;
};

/** Commands that use the simulated network. */
export const networkCommands: ReadonlyMap<string, Program> = new Map([
  ['curl', curl],
  ['wget', wget],
  ['nc', nc],
  ['nslookup', nslookup],
  ['ping', ping],
  ['getent', getent],
  ['ip', ip],
  ['ifconfig', ifconfig],
  ['netstat', netstat],
]);
