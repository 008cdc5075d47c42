import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { EtcdRpcServer } from '#etcd/rpc/server';
import { etcdTls, makeEtcdCertificates } from '../../harness/etcd-certificates.ts';

/** Real programs this file needs. In CI a missing one is a failure. */
const missing = ['etcdctl', 'openssl'].filter((program) => spawnSync(program, ['version']).error !== undefined);
if (missing.length > 0 && process.env['CI']) throw new Error(`${missing.join(', ')} missing: install it`);
if (missing.length > 0) process.stderr.write(`skipped: etcdctl test, because ${missing.join(', ')} is missing\n`);

describe.skipIf(missing.length > 0)('etcdctl against the embedded store', () => {
  let directory: string;
  let etcd: EmbeddedEtcd;
  let server: EtcdRpcServer;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'drydock-etcdctl-'));
    makeEtcdCertificates(directory);
  });

  beforeEach(async () => {
    const clock = new RealClock();
    const path = mkdtempSync(join(directory, 'store-'));
    etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger, clientUrls: () => [server.endpoint] });
    server = new EtcdRpcServer({
      etcd,
      maintenance: etcd.maintenance,
      tls: etcdTls(directory),
      host: '127.0.0.1',
      port: 0,
      clock,
      logger: silentLogger,
    });
    await server.start();
    return async () => {
      await server.stop();
      await etcd.close();
    };
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function start(args: readonly string[], certificate = 'etcd'): ChildProcessWithoutNullStreams {
    const tls = ['--cacert', 'ca.crt', '--cert', `${certificate}.crt`, '--key', `${certificate}.key`];
    const flags = ['--endpoints', server.endpoint, '--command-timeout', '10s', '--dial-timeout', '5s', ...tls];
    return spawn('etcdctl', [...flags, ...args], { cwd: directory, env: { ...process.env, ETCDCTL_API: '3' } });
  }

  async function etcdctl(args: readonly string[], input = ''): Promise<string> {
    const { stdout, stderr, code } = await run(start(args), input);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  it('gets what was put, by key, prefix and revision, with limits and sorting', async () => {
    expect(await etcdctl(['put', '/registry/pods/default/web-0', 'one'])).toBe('OK\n');
    await etcdctl(['put', '/registry/pods/default/web-1', 'two']);
    expect(await etcdctl(['put', '--prev-kv', '/registry/pods/default/web-0', 'three'])).toContain('one');
    expect(await etcdctl(['get', '--prefix', '/registry'])).toBe(
      '/registry/pods/default/web-0\nthree\n/registry/pods/default/web-1\ntwo\n',
    );
    expect(await etcdctl(['get', '--rev=2', '--print-value-only', '/registry/pods/default/web-0'])).toBe('one\n');
    expect(await etcdctl(['get', '--keys-only', '--prefix', '/', '--limit=1'])).toBe(
      '/registry/pods/default/web-0\n\n',
    );
    const newest = ['get', '--prefix', '/', '--sort-by=MODIFY', '--order=DESCEND', '--keys-only', '--limit=1'];
    expect(await etcdctl(newest)).toBe('/registry/pods/default/web-0\n\n');
    const answer: unknown = JSON.parse(await etcdctl(['get', '/registry/pods/default/web-1', '-w', 'json']));
    expect(answer).toMatchObject({
      header: { revision: 4, raft_term: 2 },
      kvs: [{ create_revision: 3, mod_revision: 3, version: 1, value: Buffer.from('two').toString('base64') }],
      count: 1,
    });
    await expect(etcdctl(['get', '--rev=99', '/registry'])).rejects.toThrow('required revision is a future revision');
  });

  it('deletes, and takes any bytes as key', async () => {
    await etcdctl(['put', 'a', '1']);
    await etcdctl(['put', 'é', '2']);
    expect(await etcdctl(['del', '--prefix', ''])).toBe('2\n');
    expect(await etcdctl(['get', '--prefix', ''])).toBe('');
  });

  it('runs transactions', async () => {
    const txn = ['mod("a") = "0"', '', 'put a 1', 'get a', '', 'get a', '', ''].join('\n');
    expect(await etcdctl(['txn'], txn)).toBe('SUCCESS\n\nOK\n\na\n1\n');
    expect(await etcdctl(['txn'], txn)).toBe('FAILURE\n\na\n1\n');
    const twice = ['', 'put a 1', 'put a 2', '', '', ''].join('\n');
    await expect(etcdctl(['txn'], twice)).rejects.toThrow('duplicate key given in txn request');
  });

  it('watches, from now and from a revision', async () => {
    const live = start(['watch', '--prefix', '/registry']);
    const lines = linesOf(live);
    // The watch is up once the store counts it.
    while ((await etcd.status(Context.background())).watchers === 0)
      await new RealClock().sleep(Context.background(), 10);
    await etcdctl(['put', '/registry/a', '1']);
    await etcdctl(['put', '/other', '1']);
    await etcdctl(['del', '/registry/a']);
    expect(await lines.take(5)).toEqual(['PUT', '/registry/a', '1', 'DELETE', '/registry/a']);
    const past = start(['watch', '--rev=2', '--prev-kv', '--prefix', '/']);
    expect((await linesOf(past).take(6)).join(' ')).toBe('PUT /registry/a 1 PUT /other 1');
    live.kill();
    past.kill();
    await etcdctl(['compact', '3']);
    const { stderr } = await run(start(['watch', '--rev=2', '--prefix', '/']), '');
    expect(stderr).toContain('required revision has been compacted');
  });

  it('grants, keeps, shows and revokes leases', async () => {
    const granted = await etcdctl(['lease', 'grant', '60']);
    const id = /lease ([0-9a-f]+) granted with TTL\(60s\)/.exec(granted)?.[1] ?? '';
    await etcdctl(['put', `--lease=${id}`, 'a', '1']);
    expect(await etcdctl(['lease', 'keep-alive', '--once', id])).toContain('keepalived with TTL(60)');
    expect(await etcdctl(['lease', 'timetolive', '--keys', id])).toMatch(
      /granted with TTL\(60s\), remaining\(\d+s\).*\[a\]/,
    );
    expect(await etcdctl(['lease', 'list'])).toContain(id);
    expect(await etcdctl(['lease', 'revoke', id])).toContain('revoked');
    expect(await etcdctl(['get', 'a'])).toBe('');
    await expect(etcdctl(['lease', 'revoke', id])).rejects.toThrow('requested lease not found');
  });

  it('tells its health, status and members', async () => {
    expect(await etcdctl(['endpoint', 'health']).catch(String)).not.toContain('unhealthy');
    const status: unknown = JSON.parse(await etcdctl(['endpoint', 'status', '-w', 'json']));
    expect(status).toMatchObject([{ Endpoint: server.endpoint, Status: { version: '3.6.0' } }]);
    expect(await etcdctl(['member', 'list'])).toMatch(
      /^[0-9a-f]+, started, default, , https:\/\/127\.0\.0\.1:\d+, false\n$/,
    );
    expect(await etcdctl(['user', 'list'])).toBe('');
  });

  it('turns a client without a certificate of the CA away', async () => {
    const { code, stdout } = await run(start(['get', 'a', '--command-timeout=2s'], 'stranger'), '');
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
  });
});

async function run(
  child: ChildProcessWithoutNullStreams,
  input: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

/** Lines as they come. */
function linesOf(child: ChildProcessWithoutNullStreams): { take(count: number): Promise<string[]> } {
  let text = '';
  let check = (): void => {};
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    check();
  });
  return {
    take: (count) =>
      new Promise((resolve) => {
        check = () => {
          const lines = text.split('\n').slice(0, -1);
          if (lines.length >= count) resolve(lines.slice(0, count));
        };
        check();
      }),
  };
}
