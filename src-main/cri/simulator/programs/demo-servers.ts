import type { Process, Program } from '../process.ts';
import { serveHttp, type HttpReply, type HttpRequest } from './http-server.ts';
import { accessLogTime, untilSignal } from './web-server.ts';

/** The value of `--name=value`, `--name value`, `-name=value` or `-name value`. */
function flag(process: Process, name: string): string | undefined {
  for (const [index, arg] of process.argv.entries()) {
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(arg);
    if (match?.[1] === name) return match[2] ?? process.argv[index + 1];
  }
  return undefined;
}

function plain(body: string, status = 200): HttpReply {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8' }, body };
}

/** A Go program as the first process of a container exits with 2 on a SIGTERM it does not handle. */
async function untilGoDies(process: Process): Promise<number> {
  await untilSignal(process, 'TERM', 'INT', 'QUIT');
  return 2;
}

/** traefik/whoami: tells who answered and what was asked. */
export const whoamiServer: Program = async (process) => {
  const port = Number(flag(process, 'port') ?? process.env.get('WHOAMI_PORT_NUMBER') ?? 80);
  const name = flag(process, 'name') ?? process.env.get('WHOAMI_NAME');
  serveHttp(process, { port, handle: (request) => whoamiReply(process, request, name) });
  await process.complain(`${accessLogTime(process.host.clock.now())} Starting up on port ${port}\n`);
  return untilGoDies(process);
};

function whoamiReply(process: Process, request: HttpRequest, name: string | undefined): HttpReply {
  const { hostname, network } = process.host;
  if (request.path === '/health') return plain('');
  if (request.path === '/api') {
    const headers = Object.fromEntries(request.headerLines.map(([key, value]) => [key, [value]]));
    const body = {
      hostname,
      ip: ['127.0.0.1', '::1', network.ip],
      headers,
      url: request.target,
      host: request.headers.get('host'),
      method: request.method,
      remoteAddr: `${request.remote.ip}:${request.remote.port}`,
    };
    return { status: 200, headers: { 'Content-Type': 'application/json' }, body: `${JSON.stringify(body)}\n` };
  }
  const lines = [
    ...(name ? [`Name: ${name}`] : []),
    `Hostname: ${hostname}`,
    'IP: 127.0.0.1',
    'IP: ::1',
    `IP: ${network.ip}`,
    `RemoteAddr: ${request.remote.ip}:${request.remote.port}`,
    `${request.method} ${request.target} HTTP/1.1`,
    `Host: ${request.headers.get('host') ?? ''}`,
    ...request.headerLines.filter(([key]) => key.toLowerCase() !== 'host').map(([key, value]) => `${key}: ${value}`),
  ];
  return plain(`${lines.join('\n')}\n\n`);
}

/** hashicorp/http-echo: answers every request with one text. */
export const httpEcho: Program = async (process) => {
  const text = flag(process, 'text') ?? process.env.get('ECHO_TEXT');
  if (!text) {
    await process.complain('Missing -text option!\n');
    return 127;
  }
  const listen = flag(process, 'listen') ?? ':5678';
  const port = Number(listen.slice(listen.lastIndexOf(':') + 1));
  serveHttp(process, {
    port,
    handle: () => ({
      status: Number(flag(process, 'status-code') ?? 200),
      headers: { 'X-App-Name': 'http-echo', 'X-App-Version': '1.0.0' },
      body: `${text}\n`,
    }),
    onReply: (request, reply, bytes) => {
      const time = new Date(process.host.clock.now()).toISOString().replace('T', ' ').slice(0, 19).replaceAll('-', '/');
      void process.print(
        `${time} ${request.headers.get('host') ?? ''} ${request.remote.ip}:${request.remote.port} "${request.method} ${request.target} HTTP/1.1" ${reply.status} ${bytes} "${request.headers.get('user-agent') ?? ''}" 20µs\n`,
      );
    },
  });
  await process.complain(`[INFO] server is listening on :${port}\n`);
  await untilSignal(process, 'TERM', 'INT');
  return 0;
};

/** google-samples/hello-app. */
export const helloApp: Program = async (process) => {
  const port = Number(process.env.get('PORT') ?? 8080);
  serveHttp(process, {
    port,
    handle: () => plain(`Hello, world!\nVersion: 1.0.0\nHostname: ${process.host.hostname}\n`),
    onReply: (request) => void process.complain(`Serving request: ${request.path}\n`),
  });
  await process.complain(`Server listening on port ${port}\n`);
  return untilGoDies(process);
};

/** google-samples/kubernetes-bootcamp. */
export const kubernetesBootcamp: Program = async (process) => {
  const { hostname, clock } = process.host;
  serveHttp(process, {
    port: 8080,
    handle: () => plain(`Hello Kubernetes bootcamp! | Running on: ${hostname} | v=1\n`),
    onReply: () =>
      void process.print(
        `Running On: ${hostname} | Total Requests: 1 | App Uptime: ${((clock.now() - process.startedAtMs) / 1000).toFixed(3)} seconds | Log Time: ${new Date(clock.now()).toUTCString()}\n`,
      ),
  });
  await process.print(
    `Kubernetes Bootcamp App Started At: ${new Date(clock.now()).toISOString()} | Running On:  ${hostname} \n\n`,
  );
  await untilSignal(process, 'INT');
  return 0;
};

/** echoserver and nginxdemos/hello: plain descriptions of the request. */
export const echoServer: Program = async (process) => {
  serveHttp(process, {
    port: 8080,
    server: 'echoserver',
    handle: (request) =>
      plain(
        `\n\nHostname: ${process.host.hostname}\n\nRequest Information:\n\tclient_address=${request.remote.ip}\n\tmethod=${request.method}\n\treal path=${request.target}\n\trequest_version=1.1\n\nRequest Headers:\n${request.headerLines.map(([key, value]) => `\t${key.toLowerCase()}=${value}\n`).join('')}\nRequest Body:\n${request.body.length > 0 ? Buffer.from(request.body).toString('utf8') : '\t-no body in request-'}\n\n`,
      ),
  });
  await untilSignal(process, 'TERM', 'INT', 'QUIT');
  return 0;
};

export const nginxHello: Program = async (process) => {
  const { hostname, network, clock } = process.host;
  serveHttp(process, {
    port: 80,
    server: 'nginx/1.27.5',
    handle: (request) =>
      plain(
        `Server address: ${network.ip}:80\nServer name: ${hostname}\nDate: ${accessLogTime(clock.now())}\nURI: ${request.target}\nRequest ID: ${process.host.random.hex(32)}\n`,
      ),
  });
  await untilSignal(process, 'TERM', 'INT', 'QUIT');
  return 0;
};

/** agnhost's `pause`, `netexec`, `serve-hostname` and `echo` parts. */
export const agnhost: Program = async (process) => {
  const [, part = 'pause'] = process.argv;
  if (part === 'pause') {
    await process.print('Paused\n');
    await untilSignal(process, 'TERM', 'INT');
    return 0;
  }
  if (part === 'netexec') {
    serveHttp(process, {
      port: Number(flag(process, 'http-port') ?? 8080),
      handle: (request) => netexecReply(process, request),
    });
    await process.complain('Started HTTP server\n');
    return untilGoDies(process);
  }
  if (part === 'serve-hostname') {
    serveHttp(process, { port: Number(flag(process, 'port') ?? 9376), handle: () => plain(process.host.hostname) });
    await process.complain('Serving on port.\n');
    return untilGoDies(process);
  }
  await process.complain(
    `Error: unknown command "${part}" for "app" in the simulator, which has pause, netexec and serve-hostname\n`,
  );
  return 1;
};

function netexecReply(process: Process, request: HttpRequest): HttpReply {
  const { hostname, clock } = process.host;
  if (request.path === '/hostname' || request.path === '/hostName') return plain(hostname);
  if (request.path === '/clientip') return plain(`${request.remote.ip}:${request.remote.port}`);
  if (request.path === '/echo') return plain(request.query.get('msg') ?? '', Number(request.query.get('code') ?? 200));
  if (request.path === '/healthz') return plain('', 200);
  if (request.path === '/header')
    return plain(request.headers.get((request.query.get('key') ?? '').toLowerCase()) ?? '');
  if (request.path === '/') return plain(`NOW: ${new Date(clock.now()).toISOString()}`);
  return plain('404 page not found\n', 404);
}
