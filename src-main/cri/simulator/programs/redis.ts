import type { Socket } from '#base/streams';
import { encodeText } from '../byte-pipe.ts';
import type { Process, Program } from '../process.ts';
import { untilSignal } from './web-server.ts';

/** The commands a demonstration needs: strings, counters, key listing. Both RESP arrays and inline commands are read. */
class RedisStore {
  readonly #values = new Map<string, string>();

  /** The reply in RESP. */
  run(args: readonly string[]): string {
    const [name = '', key = '', value = ''] = args;
    switch (name.toUpperCase()) {
      case 'PING':
        return args.length > 1 ? bulk(key) : '+PONG\r\n';
      case 'ECHO':
        return bulk(key);
      case 'SET':
        this.#values.set(key, value);
        return '+OK\r\n';
      case 'GET':
        return bulk(this.#values.get(key));
      case 'DEL':
        return `:${args.slice(1).filter((item) => this.#values.delete(item)).length}\r\n`;
      case 'EXISTS':
        return `:${args.slice(1).filter((item) => this.#values.has(item)).length}\r\n`;
      case 'INCR':
        return this.#add(key, 1);
      case 'DECR':
        return this.#add(key, -1);
      case 'KEYS':
        return `*${this.#values.size}\r\n${[...this.#values.keys()].map(bulk).join('')}`;
      case 'DBSIZE':
        return `:${this.#values.size}\r\n`;
      case 'FLUSHALL':
        this.#values.clear();
        return '+OK\r\n';
      case 'INFO':
        return bulk(
          `# Server\r\nredis_version:8.2.1\r\nredis_mode:standalone\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n`,
        );
      default:
        return `-ERR unknown command '${name}', with args beginning with: ${args
          .slice(1)
          .map((item) => `'${item}' `)
          .join('')}\r\n`;
    }
  }

  #add(key: string, by: number): string {
    const next = Number(this.#values.get(key) ?? '0') + by;
    if (!Number.isSafeInteger(next)) return '-ERR value is not an integer or out of range\r\n';
    this.#values.set(key, String(next));
    return `:${next}\r\n`;
  }
}

function bulk(text: string | undefined): string {
  return text === undefined ? '$-1\r\n' : `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** Takes one command off the front of `text`; undefined when it is not complete yet. */
function takeCommand(text: string): { args: readonly string[]; rest: string } | undefined {
  if (!text.startsWith('*')) {
    const end = text.indexOf('\n');
    return end < 0
      ? undefined
      : { args: text.slice(0, end).trim().split(/\s+/).filter(Boolean), rest: text.slice(end + 1) };
  }
  let at = text.indexOf('\r\n');
  if (at < 0) return undefined;
  const count = Number(text.slice(1, at));
  const args: string[] = [];
  for (at += 2; args.length < count;) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const length = Number(text.slice(at + 1, end));
    if (text.length < end + 2 + length + 2) return undefined;
    args.push(text.slice(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
  return { args, rest: text.slice(at) };
}

async function serve(socket: Socket, store: RedisStore): Promise<void> {
  let held = '';
  for await (const chunk of socket.incoming) {
    held += Buffer.from(chunk).toString('latin1');
    for (let next = takeCommand(held); next; next = takeCommand(held)) {
      held = next.rest;
      if (next.args.length === 0) continue;
      await socket.write(Buffer.from(store.run(next.args), 'latin1'));
      if (next.args[0]?.toUpperCase() === 'QUIT') return socket.end();
    }
  }
  socket.end();
}

export const redisServer: Program = async (process) => {
  const store = new RedisStore();
  const stamp = (): string => `${process.pid}:M ${new Date(process.host.clock.now()).toUTCString().slice(5, 25)}.000`;
  const listener = process.host.network.listen(6379, (socket) => {
    void serve(socket, store).catch((error: unknown) => socket.destroy(error instanceof Error ? error : undefined));
  });
  process.context.onEnd(() => listener.dispose());
  await process.print(
    `${stamp()} * Running mode=standalone, port=6379.\n${stamp()} * Ready to accept connections tcp\n`,
  );
  await untilSignal(process, 'TERM', 'INT');
  await process.print(`${stamp()} # User requested shutdown...\n${stamp()} # Redis is now ready to exit, bye bye...\n`);
  return 0;
};

/** `redis-cli [-h host] [-p port] command...`; the host is an address or a name of `/etc/hosts`. */
export const redisCli: Program = async (process) => {
  const args = [...process.argv.slice(1)];
  let host = '127.0.0.1';
  let port = 6379;
  while (args[0] === '-h' || args[0] === '-p') {
    const [name, value = ''] = args.splice(0, 2);
    if (name === '-h') host = value;
    else port = Number(value);
  }
  const { StubResolver } = await import('../name-resolution.ts');
  const ip =
    (
      await new StubResolver(process.host.network, process.host.files, process.host.random).addresses(
        process.context,
        host,
      )
    )[0] ?? host;
  const socket = await process.host.network.dial(process.context, { ip, port }).catch(() => undefined);
  if (!socket) {
    await process.complain(`Could not connect to Redis at ${host}:${port}: Connection refused\n`);
    return 1;
  }
  return ask(process, socket, args);
};

async function ask(process: Process, socket: Socket, args: readonly string[]): Promise<number> {
  await socket.write(encodeText(`*${args.length}\r\n${args.map((arg) => bulk(arg)).join('')}`));
  for await (const chunk of socket.incoming) {
    await process.print(showReply(Buffer.from(chunk).toString('utf8')));
    break;
  }
  socket.destroy();
  return 0;
}

function showReply(reply: string): string {
  const [first = '', ...rest] = reply.split('\r\n');
  if (first.startsWith('$-1')) return '\n';
  if (first.startsWith('$')) return `${rest[0] ?? ''}\n`;
  if (first.startsWith('*'))
    return rest
      .filter((_line, index) => index % 2 === 1)
      .map((line) => `${line}\n`)
      .join('');
  return `${first.slice(first.startsWith('-') ? 0 : 1)}\n`.replace(/^-/, '(error) ');
}
