import { resolvePath } from '../file-tree.ts';
import type { HttpResponse } from '../programs/http-server.ts';
import type { Process, Program } from '../process.ts';
import { FetchError, fetchFrom, parseTarget, redirectOf, type Target } from './http-client.ts';

interface WgetOptions {
  output: string | undefined;
  quiet: boolean;
  spider: boolean;
  headers: boolean;
  timeoutSeconds: number;
  tries: number;
  body: string | undefined;
  extra: (readonly [string, string])[];
  url: string;
}

function parseOptions(argv: readonly string[]): WgetOptions {
  const options: WgetOptions = {
    output: undefined,
    quiet: false,
    spider: false,
    headers: false,
    timeoutSeconds: 900,
    tries: 1,
    body: undefined,
    extra: [],
    url: '',
  };
  const args = [...argv.slice(1)];
  const header = (text: string): void => {
    const colon = text.indexOf(':');
    options.extra.push([text.slice(0, colon), text.slice(colon + 1).trim()]);
  };
  for (let arg = args.shift(); arg !== undefined; arg = args.shift()) {
    const [name, inline] = arg.startsWith('--') ? splitLong(arg) : [arg, undefined];
    const value = (): string => inline ?? args.shift() ?? '';
    if (name === '--spider') options.spider = true;
    else if (name === '--header') header(value());
    else if (name === '--post-data') options.body = value();
    else if (name === '--timeout') options.timeoutSeconds = Number(value());
    else if (name === '--tries') options.tries = Number(value());
    else if (name === '--output-document') options.output = value();
    else if (name === '--quiet') options.quiet = true;
    else if (name === '--server-response') options.headers = true;
    else if (/^-[a-zA-Z]/.test(arg)) readLetters(arg, args, options);
    else if (!arg.startsWith('-')) options.url = arg;
  }
  return options;
}

function splitLong(arg: string): [string, string | undefined] {
  const equals = arg.indexOf('=');
  return equals < 0 ? [arg, undefined] : [arg.slice(0, equals), arg.slice(equals + 1)];
}

function readLetters(arg: string, args: string[], options: WgetOptions): void {
  for (let at = 1; at < arg.length; at++) {
    const letter = arg.charAt(at);
    const rest = arg.slice(at + 1);
    if (letter === 'q') options.quiet = true;
    else if (letter === 'S') options.headers = true;
    else if ('OTtPUoY'.includes(letter)) {
      const value = rest || (args.shift() ?? '');
      if (letter === 'O') options.output = value;
      if (letter === 'T') options.timeoutSeconds = Number(value);
      if (letter === 't') options.tries = Number(value);
      if (letter === 'U') options.extra.push(['User-Agent', value]);
      return;
    }
  }
}

/** busybox's wget. */
export const wget: Program = async (process) => {
  const options = parseOptions(process.argv);
  let target = parseTarget(options.url);
  if (!target || options.url === '') {
    await process.complain('wget: missing URL\n');
    return 1;
  }
  for (let hops = 0; hops < 5; hops++) {
    const response = await fetchOnce(process, options, target);
    if (!response) return 1;
    const next = redirectOf(target, response);
    if (!next) return finish(process, options, target, response);
    target = next;
  }
  await process.complain('wget: too many redirections\n');
  return 1;
};

async function fetchOnce(process: Process, options: WgetOptions, target: Target): Promise<HttpResponse | undefined> {
  const body = Buffer.from(options.body ?? '');
  const headers: (readonly [string, string])[] = [
    ['Host', target.authority],
    ['User-Agent', 'Wget'],
    ['Connection', 'close'],
  ];
  const names = new Set(options.extra.map(([name]) => name.toLowerCase()));
  const sent = [...headers.filter(([name]) => !names.has(name.toLowerCase())), ...options.extra];
  if (options.body !== undefined)
    sent.push(['Content-Type', 'application/x-www-form-urlencoded'], ['Content-Length', String(body.length)]);
  const method = options.body !== undefined ? 'POST' : options.spider ? 'HEAD' : 'GET';
  const { context, cancel } = process.context.withTimeout(process.host.clock, options.timeoutSeconds * 1000);
  try {
    return await fetchFrom(process, context, target, { method, headers: sent, body }, async (ip) => {
      if (!options.quiet) await process.complain(`Connecting to ${target.authority} (${ip}:${target.port})\n`);
    });
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    if (error.ip && !options.quiet)
      await process.complain(`Connecting to ${target.authority} (${error.ip}:${target.port})\n`);
    await process.complain(failureText(error, target));
    return undefined;
  } finally {
    cancel();
  }
}

function failureText(error: FetchError, target: Target): string {
  const where = `${target.authority} (${error.ip}:${target.port})`;
  switch (error.failure) {
    case 'name':
      return `wget: bad address '${target.authority}'\n`;
    case 'refused':
      return `wget: can't connect to remote host (${error.ip}): Connection refused\n`;
    case 'unreachable':
      return `wget: can't connect to remote host (${error.ip}): Host is unreachable\n`;
    case 'timeout':
      return 'wget: download timed out\n';
    case 'secure':
      return `wget: ${where}: the simulated network does not speak TLS\n`;
    default:
      return 'wget: error getting response: Connection reset by peer\n';
  }
}

async function finish(process: Process, options: WgetOptions, target: Target, response: HttpResponse): Promise<number> {
  if (options.headers) {
    await process.complain(
      `  HTTP/1.1 ${response.status} ${response.statusText}\n${response.headerLines.map(([name, value]) => `  ${name}: ${value}\n`).join('')}  \n`,
    );
  }
  if (response.status >= 400) {
    await process.complain(`wget: server returned error: HTTP/1.1 ${response.status} ${response.statusText}\n`);
    return 1;
  }
  if (options.spider) {
    if (!options.quiet) await process.complain('remote file exists\n');
    return 0;
  }
  const fallback = target.path.split('?')[0]?.split('/').at(-1) || 'index.html';
  const output = options.output ?? fallback;
  if (!options.quiet) await process.complain(output === '-' ? 'writing to stdout\n' : `saving to '${output}'\n`);
  if (output === '-' || output === '/dev/stdout') await process.io.stdout.write(response.body);
  else process.host.files.write(resolvePath(process.cwd, output), response.body);
  if (options.quiet) return 0;
  const bar = `${(output === '-' ? '-' : output).slice(0, 20).padEnd(20)} 100% |********************************| ${String(response.body.length).padStart(5)}  0:00:00 ETA\n`;
  await process.complain(bar + (output === '-' ? 'written to stdout\n' : `'${output}' saved\n`));
  return 0;
}
