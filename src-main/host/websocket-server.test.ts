import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import type { ContractHandlers } from './handlers.ts';
import { UiServer } from './websocket-server.ts';

let folder: string;
let server: UiServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-ui-'));
  mkdirSync(join(folder, 'renderer'));
  writeFileSync(join(folder, 'renderer', 'index.html'), '<h1>hello</h1>');
  writeFileSync(join(folder, 'secret.html'), 'secret');
  const handlers = { calls: { 'labs.list': () => Promise.resolve([]) }, watches: {} } as unknown as ContractHandlers;
  const clock = new RealClock();
  server = new UiServer({ handlers, clock, logger: silentLogger, rendererFolder: join(folder, 'renderer'), port: 0 });
  await server.start();
});

afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** `fetch` would normalise the paths and headers that matter here. */
function get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: server.port, path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

async function logIn(): Promise<string> {
  const { pathname, search } = new URL(server.url);
  const answer = await get(pathname + search);
  expect(answer.status).toBe(303);
  const cookie = String(answer.headers['set-cookie']);
  expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
  return cookie.split(';')[0] ?? '';
}

function connect(headers: Record<string, string>): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/socket`, { headers });
    socket.on('open', () => socket.send(JSON.stringify({ type: 'call', id: 1, name: 'labs.list', request: {} })));
    socket.on('message', (message) => {
      socket.close();
      resolve(String(message));
    });
    socket.on('error', (error) => resolve(error.message));
  });
}

describe('UiServer', () => {
  it('gives a session for the token, once', async () => {
    const url = new URL(server.url);
    const cookie = await logIn();
    expect((await get('/', { cookie })).text).toBe('<h1>hello</h1>');
    expect((await get(url.pathname + url.search)).status).toBe(401);
    expect((await get('/')).status).toBe(401);
    expect((await get('/?token=wrong')).status).toBe(401);
  });

  it('sends a strict content security policy', async () => {
    const { headers } = await get('/', { cookie: await logIn() });
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it('serves nothing outside its folder', async () => {
    const cookie = await logIn();
    for (const path of [
      '/../secret.html',
      '/%2e%2e/secret.html',
      '/..%2fsecret.html',
      '/..%5csecret.html',
      '/%00',
      '/%',
    ])
      expect((await get(path, { cookie })).status, path).toBe(404);
  });

  it('answers to its own name and origin only', async () => {
    const cookie = await logIn();
    expect((await get('/', { cookie, host: `evil.example:${server.port}` })).status).toBe(403);
    expect((await get('/', { cookie, origin: 'http://evil.example' })).status).toBe(403);
  });

  it('speaks the contract over a WebSocket to a page of its own', async () => {
    const cookie = await logIn();
    const origin = `http://127.0.0.1:${server.port}`;
    expect(JSON.parse(await connect({ cookie, origin }))).toEqual({ type: 'response', id: 1, response: [] });
    expect(await connect({ cookie, origin: 'http://evil.example' })).toContain('403');
    expect(await connect({ origin })).toContain('403');
    expect(await connect({ cookie })).toContain('403');
  });
});
