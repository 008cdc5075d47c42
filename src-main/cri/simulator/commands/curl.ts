import { readAll } from '../byte-pipe.ts';
import { resolvePath } from '../file-tree.ts';
import type { HttpResponse } from '../programs/http-server.ts';
import type { Process, Program } from '../process.ts';
import { FetchError, fetchFrom, parseTarget, redirectOf, type Target } from './http-client.ts';

class CurlOptions {
  method: string | undefined;
  readonly headers: (readonly [string, string])[] = [];
  readonly data: string[] = [];
  output: string | undefined;
  writeOut = '';
  maxSeconds = Infinity;
  connectSeconds = Infinity;
  readonly flags = new Set<string>();
  readonly urls: string[] = [];
}

/** Long names of the options that are understood, with the letter each stands for. */
const longNames: Readonly<Record<string, string>> = {
  request: 'X',
  header: 'H',
  data: 'd',
  'data-raw': 'd',
  'data-binary': 'd',
  json: 'J',
  output: 'o',
  'write-out': 'w',
  'max-time': 'm',
  'connect-timeout': 'C',
  'user-agent': 'A',
  user: 'u',
  url: 'U',
  retry: '=',
  'retry-delay': '=',
  resolve: '=',
  cacert: '=',
  silent: 's',
  'show-error': 'S',
  fail: 'f',
  location: 'L',
  include: 'i',
  head: 'I',
  verbose: 'v',
  insecure: 'k',
  'no-progress-meter': 's',
};
const valued = 'XHdJowmCAuUeb=';

function parseOptions(argv: readonly string[]): CurlOptions {
  const options = new CurlOptions();
  const args = [...argv.slice(1)];
  for (let arg = args.shift(); arg !== undefined; arg = args.shift()) {
    if (arg.startsWith('--')) {
      const letter = longNames[arg.slice(2)] ?? '';
      if (letter !== '' && valued.includes(letter)) setValue(options, letter, args.shift() ?? '');
      else options.flags.add(letter);
    } else if (/^-./.test(arg)) {
      for (let at = 1; at < arg.length; at++) {
        const letter = arg.charAt(at);
        if (!valued.includes(letter)) options.flags.add(letter);
        else {
          setValue(options, letter, arg.slice(at + 1) || (args.shift() ?? ''));
          break;
        }
      }
    } else options.urls.push(arg);
  }
  return options;
}

function setValue(options: CurlOptions, letter: string, value: string): void {
  const header = (text: string): void => {
    const colon = text.indexOf(':');
    if (colon > 0) options.headers.push([text.slice(0, colon), text.slice(colon + 1).trim()]);
  };
  if (letter === 'X') options.method = value;
  else if (letter === 'H') header(value);
  else if (letter === 'd') options.data.push(value);
  else if (letter === 'J') {
    options.data.push(value);
    header('Content-Type: application/json');
    header('Accept: application/json');
  } else if (letter === 'o') options.output = value;
  else if (letter === 'w') options.writeOut = value;
  else if (letter === 'm') options.maxSeconds = Number(value);
  else if (letter === 'C') options.connectSeconds = Number(value);
  else if (letter === 'A') options.headers.push(['User-Agent', value]);
  else if (letter === 'u') options.headers.push(['Authorization', `Basic ${Buffer.from(value).toString('base64')}`]);
  else if (letter === 'U') options.urls.push(value);
}

/** curl, as far as demonstrations go: HTTP, headers, data, redirects, `-w`. */
export const curl: Program = async (process) => {
  const options = parseOptions(process.argv);
  if (options.urls.length === 0) {
    await process.complain("curl: (2) no URL specified\ncurl: try 'curl --help' for more information\n");
    return 2;
  }
  let code = 0;
  for (const url of options.urls) code = await transfer(process, options, url);
  return code;
};

async function transfer(process: Process, options: CurlOptions, url: string): Promise<number> {
  let target = parseTarget(url);
  if (!target) return fail(process, options, 3, 'URL rejected: Malformed input to a URL function');
  const startedMs = process.host.clock.now();
  const body = await requestBody(process, options);
  const limit = Math.min(options.maxSeconds, options.connectSeconds);
  const { context, cancel } = Number.isFinite(limit)
    ? process.context.withTimeout(process.host.clock, limit * 1000)
    : process.context.withCancel();
  try {
    for (let hops = 0; ; hops++) {
      const response = await fetchFrom(process, context, target, { ...requestOf(options, target, body) });
      const next: Target | undefined = options.flags.has('L') ? redirectOf(target, response) : undefined;
      if (!next || hops >= 50) return await finish(process, options, response, process.host.clock.now() - startedMs);
      target = next;
    }
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    const tookMs = process.host.clock.now() - startedMs;
    const code = await explain(process, options, error, target, tookMs);
    if (options.writeOut) await process.print(writeOut(options.writeOut, undefined, tookMs));
    return code;
  } finally {
    cancel();
  }
}

async function requestBody(process: Process, options: CurlOptions): Promise<Uint8Array> {
  const parts: string[] = [];
  for (const data of options.data) {
    if (data === '@-') parts.push(Buffer.from(await readAll(process.io.stdin, process.context)).toString('utf8'));
    else if (data.startsWith('@')) parts.push(process.host.files.readText(resolvePath(process.cwd, data.slice(1))));
    else parts.push(data);
  }
  return Buffer.from(parts.join('&'));
}

function requestOf(
  options: CurlOptions,
  target: Target,
  body: Uint8Array,
): { method: string; headers: (readonly [string, string])[]; body: Uint8Array } {
  const hasBody = options.data.length > 0;
  const method = options.method ?? (options.flags.has('I') ? 'HEAD' : hasBody ? 'POST' : 'GET');
  const defaults: (readonly [string, string])[] = [
    ['Host', target.authority],
    ['User-Agent', 'curl/8.15.0'],
    ['Accept', '*/*'],
  ];
  if (hasBody)
    defaults.push(['Content-Type', 'application/x-www-form-urlencoded'], ['Content-Length', String(body.length)]);
  const set = new Set(options.headers.map(([name]) => name.toLowerCase()));
  return { method, headers: [...defaults.filter(([name]) => !set.has(name.toLowerCase())), ...options.headers], body };
}

async function fail(process: Process, options: CurlOptions, code: number, text: string): Promise<number> {
  if (!options.flags.has('s') || options.flags.has('S')) await process.complain(`curl: (${code}) ${text}\n`);
  return code;
}

function explain(
  process: Process,
  options: CurlOptions,
  error: FetchError,
  target: Target,
  tookMs: number,
): Promise<number> {
  const { host, port } = target;
  switch (error.failure) {
    case 'name':
      return fail(process, options, 6, `Could not resolve host: ${host}`);
    case 'refused':
      return fail(
        process,
        options,
        7,
        `Failed to connect to ${host} port ${port} after ${tookMs} ms: Could not connect to server`,
      );
    case 'unreachable':
      return fail(
        process,
        options,
        7,
        `Failed to connect to ${host} port ${port} after ${tookMs} ms: Could not connect to server`,
      );
    case 'timeout':
      return fail(process, options, 28, `Connection timed out after ${tookMs} milliseconds`);
    case 'secure':
      return fail(process, options, 35, 'the simulated network does not speak TLS');
    default:
      return fail(
        process,
        options,
        error.message.includes('empty') ? 52 : 56,
        error.message.includes('empty') ? 'Empty reply from server' : 'Recv failure: Connection reset by peer',
      );
  }
}

async function finish(process: Process, options: CurlOptions, response: HttpResponse, tookMs: number): Promise<number> {
  if (options.flags.has('f') && response.status >= 400) {
    await fail(process, options, 22, `The requested URL returned error: ${response.status}`);
    if (options.writeOut) await process.print(writeOut(options.writeOut, response, tookMs));
    return 22;
  }
  const head = `${response.version} ${response.status} ${response.statusText}\r\n${response.headerLines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  const showHead = options.flags.has('i') || options.flags.has('I');
  const output = Buffer.concat([Buffer.from(showHead ? head : ''), response.body]);
  if (options.flags.has('v')) await process.complain(head.replace(/^/gm, '< '));
  if (options.output === undefined || options.output === '-') await process.io.stdout.write(output);
  else process.host.files.write(resolvePath(process.cwd, options.output), output);
  if (options.writeOut) await process.print(writeOut(options.writeOut, response, tookMs));
  return 0;
}

function writeOut(format: string, response: HttpResponse | undefined, tookMs: number): string {
  const values: Readonly<Record<string, string>> = {
    http_code: String(response?.status ?? 0).padStart(3, '0'),
    response_code: String(response?.status ?? 0).padStart(3, '0'),
    size_download: String(response?.body.length ?? 0),
    time_total: (tookMs / 1000).toFixed(6),
    time_connect: '0.000100',
    content_type: response?.headers.get('content-type') ?? '',
  };
  return format
    .replace(/%\{(\w+)\}/g, (_match, name: string) => values[name] ?? '')
    .replace(/\\n/g, '\n')
    .replace(/\\t/g, '\t');
}
