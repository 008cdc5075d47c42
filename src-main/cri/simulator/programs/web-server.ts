import { formatTime } from '#base/clock';
import { resolvePath } from '../file-tree.ts';
import type { Process, Program, Signal } from '../process.ts';
import { serveHttp, statusTexts, type HttpReply, type HttpRequest } from './http-server.ts';

const mediaTypes: Readonly<Record<string, string>> = {
  html: 'text/html',
  htm: 'text/html',
  css: 'text/css',
  js: 'application/javascript',
  json: 'application/json',
  txt: 'text/plain',
  xml: 'text/xml',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpg: 'image/jpeg',
};

/** Resolves with 0 at one of `signals`: how well-behaved servers end. */
export function untilSignal(process: Process, ...signals: readonly Signal[]): Promise<Signal> {
  return new Promise((resolve, reject) => {
    for (const signal of signals) process.onSignal(signal, () => resolve(signal));
    process.context.onEnd(() => reject(new Error('killed')));
  });
}

/** `07/Jan/2026:10:00:00 +0000`, the time of access logs. */
export function accessLogTime(epochMs: number): string {
  const [, day = '', month = '', year = '', time = ''] =
    /, (\d+) (\w+) (\d+) ([\d:]+)/.exec(new Date(epochMs).toUTCString()) ?? [];
  return `${day}/${month}/${year}:${time} +0000`;
}

/** The combined log format of nginx and Apache. */
export function accessLogLine(process: Process, request: HttpRequest, reply: HttpReply, bytes: number): string {
  const referer = request.headers.get('referer') ?? '-';
  const agent = request.headers.get('user-agent') ?? '-';
  const line = `${request.method} ${request.target} ${request.version}`;
  return `${request.remote.ip} - - [${accessLogTime(process.host.clock.now())}] "${line}" ${reply.status} ${bytes} "${referer}" "${agent}"`;
}

export interface StaticSite {
  readonly root: string;
  readonly index: readonly string[];
  readonly errorPage: (status: number) => string;
  readonly listing: ((path: string, names: readonly string[]) => string) | undefined;
}

/** Answers GET and HEAD from the container's files. */
export function serveFile(process: Process, request: HttpRequest, site: StaticSite): HttpReply {
  const fail = (status: number): HttpReply => ({
    status,
    headers: { 'Content-Type': 'text/html' },
    body: site.errorPage(status),
  });
  if (request.method !== 'GET' && request.method !== 'HEAD') return fail(405);
  const { files } = process.host;
  const path = resolvePath('/', site.root + resolvePath('/', request.path));
  const node = files.find(path);
  if (!node) return fail(404);
  if (node.type !== 'directory') return fileReply(path, files.read(path), node.mtimeMs, request);
  if (!request.path.endsWith('/')) {
    return { ...fail(301), headers: { 'Content-Type': 'text/html', Location: `${request.path}/` } };
  }
  for (const name of site.index) {
    const index = files.find(`${path}/${name}`);
    if (index && index.type !== 'directory')
      return fileReply(`${path}/${name}`, files.read(`${path}/${name}`), index.mtimeMs, request);
  }
  if (!site.listing) return fail(403);
  return {
    status: 200,
    headers: { 'Content-Type': 'text/html; charset=utf-8' },
    body: site.listing(request.path, files.list(path)),
  };
}

function fileReply(path: string, body: Uint8Array, mtimeMs: number, request: HttpRequest): HttpReply {
  const etag = `"${Math.floor(mtimeMs / 1000).toString(16)}-${body.length.toString(16)}"`;
  if (request.headers.get('if-none-match') === etag) return { status: 304, headers: { ETag: etag }, body: '' };
  const headers = {
    'Content-Type': mediaTypes[path.slice(path.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
    'Last-Modified': new Date(mtimeMs).toUTCString(),
    ETag: etag,
    'Accept-Ranges': 'bytes',
  };
  return { status: 200, headers, body };
}

function nginxErrorPage(version: string): (status: number) => string {
  return (status) => {
    const title = `${status} ${statusTexts[status] ?? ''}`;
    return `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx/${version}</center>\r\n</body>\r\n</html>\r\n`;
  };
}

/** What of nginx's configuration the simulation follows: the first `listen`, `root` and `return` of a server. */
function readNginxSite(process: Process): {
  port: number;
  root: string;
  answer: { status: number; body: string } | undefined;
} {
  const port = Number(process.env.get('NGINX_PORT') ?? 80);
  if (process.host.untouched('/etc/nginx')) return { port, root: '/usr/share/nginx/html', answer: undefined };
  const { files } = process.host;
  const texts: string[] = [];
  if (files.find('/etc/nginx/conf.d')?.type === 'directory') {
    for (const name of files.list('/etc/nginx/conf.d'))
      if (name.endsWith('.conf')) texts.push(files.readText(`/etc/nginx/conf.d/${name}`));
  }
  if (files.find('/etc/nginx/nginx.conf')?.type === 'file') texts.push(files.readText('/etc/nginx/nginx.conf'));
  const text = texts.join('\n').replace(/#.*$/gm, '');
  const answer = /\breturn\s+(\d{3})\s+(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;]+))\s*;/.exec(text);
  return {
    port: Number(/\blisten\s+(?:[\d.]+:)?(\d+)/.exec(text)?.[1] ?? port),
    root: /\broot\s+([^\s;]+)\s*;/.exec(text)?.[1] ?? '/usr/share/nginx/html',
    answer: answer
      ? { status: Number(answer[1]), body: (answer[2] ?? answer[3] ?? answer[4] ?? '').replace(/\\n/g, '\n') }
      : undefined,
  };
}

function nginxTime(epochMs: number): string {
  return formatTime(epochMs).replace('T', ' ').replace('Z', '').replaceAll('-', '/');
}

/** nginx in the foreground: SIGTERM and SIGINT end it at once, SIGQUIT too, all with 0. */
export const nginx: Program = async (process) => {
  const version = process.env.get('NGINX_VERSION') ?? '1.27.5';
  if (process.argv.includes('-v') || process.argv.includes('-V')) {
    await process.complain(`nginx version: nginx/${version}\n`);
    return 0;
  }
  const notice = (text: string): Promise<void> =>
    process.complain(`${nginxTime(process.host.clock.now())} [notice] ${process.pid}#${process.pid}: ${text}\n`);
  if (process.argv.includes('-t')) {
    await process.complain(
      'nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\nnginx: configuration file /etc/nginx/nginx.conf test is successful\n',
    );
    return 0;
  }
  if (process.argv.includes('-s')) return signalNginx(process);
  const site = readNginxSite(process);
  const files: StaticSite = {
    root: site.root,
    index: ['index.html', 'index.htm'],
    errorPage: nginxErrorPage(version),
    listing: undefined,
  };
  serveHttp(process, {
    port: site.port,
    server: `nginx/${version}`,
    handle: (request) =>
      site.answer ? { ...site.answer, headers: { 'Content-Type': 'text/plain' } } : serveFile(process, request, files),
    onReply: (request, reply, bytes) => {
      if (reply.status === 404) {
        void process.complain(
          `${nginxTime(process.host.clock.now())} [error] 29#29: *1 open() "${site.root}${request.path}" failed (2: No such file or directory), client: ${request.remote.ip}, server: localhost, request: "${request.method} ${request.target} ${request.version}", host: "${request.headers.get('host') ?? ''}"\n`,
        );
      }
      void process.print(
        `${accessLogLine(process, request, reply, bytes)} "${request.headers.get('x-forwarded-for') ?? '-'}"\n`,
      );
    },
  });
  await notice('using the "epoll" event method');
  await notice(`nginx/${version}`);
  await notice(`OS: Linux ${process.host.kernelVersion}`);
  await notice('start worker processes');
  const signal = await untilSignal(process, 'TERM', 'QUIT', 'INT');
  await notice(
    `signal ${signal === 'TERM' ? 15 : signal === 'INT' ? 2 : 3} (SIG${signal}) received, ${signal === 'QUIT' ? 'gracefully shutting down' : 'exiting'}`,
  );
  return 0;
};

async function signalNginx(process: Process): Promise<number> {
  const master = process.host.processes.list().find((other) => other !== process && /nginx$/.test(other.argv[0] ?? ''));
  if (!master) {
    await process.complain('nginx: [error] open() "/run/nginx.pid" failed (2: No such file or directory)\n');
    return 1;
  }
  const action = process.argv[process.argv.indexOf('-s') + 1];
  if (action === 'stop') master.signal('TERM');
  if (action === 'quit') master.signal('QUIT');
  return 0;
}

function apacheErrorPage(status: number): string {
  const text = status === 404 ? 'The requested URL was not found on this server.' : (statusTexts[status] ?? '');
  const title = `${status} ${statusTexts[status] ?? ''}`;
  return `<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>${title}</title>\n</head><body>\n<h1>${statusTexts[status] ?? ''}</h1>\n<p>${text}</p>\n</body></html>\n`;
}

/** Apache httpd in the foreground. */
export const httpd: Program = async (process) => {
  const site: StaticSite = {
    root: '/usr/local/apache2/htdocs',
    index: ['index.html'],
    errorPage: apacheErrorPage,
    listing: undefined,
  };
  serveHttp(process, {
    port: 80,
    server: 'Apache/2.4.65 (Unix)',
    handle: (request) => serveFile(process, request, site),
    onReply: (request, reply, bytes) => {
      const line = `${request.method} ${request.target} ${request.version}`;
      void process.print(
        `${request.remote.ip} - - [${accessLogTime(process.host.clock.now())}] "${line}" ${reply.status} ${bytes}\n`,
      );
    },
  });
  await process.complain(
    `AH00558: httpd: Could not reliably determine the server's fully qualified domain name, using ${process.host.network.ip}. Set the 'ServerName' directive globally to suppress this message\n`,
  );
  await process.complain("AH00094: Command line: 'httpd -D FOREGROUND'\n");
  await untilSignal(process, 'TERM', 'INT');
  await process.complain('AH00491: caught SIGTERM, shutting down\n');
  return 0;
};

/** `python3 -m http.server [port]`; no other Python runs here. */
export const python3: Program = async (process) => {
  const [, ...args] = process.argv;
  if (args[0] === '--version' || args[0] === '-V') {
    await process.print(`Python ${process.env.get('PYTHON_VERSION') ?? '3.13.7'}\n`);
    return 0;
  }
  if (args[0] !== '-m' || args[1] !== 'http.server') {
    await process.complain('python3: the simulator runs only "-m http.server", no Python code\n');
    return 1;
  }
  const directory = args.indexOf('--directory') >= 0 ? (args[args.indexOf('--directory') + 1] ?? '') : process.cwd;
  const port = Number(args.slice(2).find((arg) => /^\d+$/.test(arg)) ?? 8000);
  const errorPage = (status: number): string =>
    `<!DOCTYPE HTML>\n<html lang="en">\n    <head>\n        <title>Error response</title>\n    </head>\n    <body>\n        <h1>Error response</h1>\n        <p>Error code: ${status}</p>\n    </body>\n</html>\n`;
  const listing = (path: string, names: readonly string[]): string =>
    `<!DOCTYPE HTML>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Directory listing for ${path}</title>\n</head>\n<body>\n<h1>Directory listing for ${path}</h1>\n<hr>\n<ul>\n${names.map((name) => `<li><a href="${name}">${name}</a></li>\n`).join('')}</ul>\n<hr>\n</body>\n</html>\n`;
  const site: StaticSite = { root: directory, index: ['index.html', 'index.htm'], errorPage, listing };
  serveHttp(process, {
    port,
    server: 'SimpleHTTP/0.6 Python/3.13.7',
    handle: (request) => serveFile(process, request, site),
    onReply: (request, reply) => {
      const time = accessLogTime(process.host.clock.now()).replace(' +0000', '').replace(':', ' ');
      void process.complain(
        `${request.remote.ip} - - [${time}] "${request.method} ${request.target} ${request.version}" ${reply.status} -\n`,
      );
    },
  });
  await process.print(`Serving HTTP on 0.0.0.0 port ${port} (http://0.0.0.0:${port}/) ...\n`);
  await untilSignal(process, 'INT');
  return 0;
};
