import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { EtcdRpcServer } from '#etcd/rpc/server';
import { decodeMessage } from '#etcd/rpc/schema';
import { etcdTls, makeEtcdCertificates } from '../../harness/etcd-certificates.ts';
import { Etcdctl, etcdctlProgram, linesOf } from '../../harness/etcdctl.ts';
import { onPath, skipWithout } from '../../harness/programs.ts';

/** A machine with other work takes its time. */
const patience = { timeout: 15_000, interval: 50 };

describe.skipIf(skipWithout(etcdctlProgram, onPath('openssl', 'apt-get install openssl')))(
  'etcdctl against the embedded store',
  () => {
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

    const start = (args: readonly string[]): ReturnType<Etcdctl['start']> => client().start(args);
    const etcdctl = (args: readonly string[], input = ''): Promise<string> => client().output(args, input);
    const client = (): Etcdctl => new Etcdctl(server.endpoint, directory);

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
      const { stderr } = await client().run(['watch', '--rev=2', '--prefix', '/']);
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

    it('tells its status and checksum as tables', async () => {
      await etcdctl(['put', 'a', '1']);
      const status = await etcdctl(['endpoint', 'status', '-w', 'table']);
      expect(status).toContain(`| ${server.endpoint} |`);
      expect(status).toMatch(/\| +[0-9a-f]{16} +\| +3\.6\.0 +\| +\d+ kB +\| +true +\| +false +\| +2 +\| +2 +\| +2 +\|/);
      const hash: unknown = JSON.parse(await etcdctl(['endpoint', 'hashkv', '-w', 'json']));
      expect(hash).toMatchObject([
        { Endpoint: server.endpoint, HashKV: { header: { revision: 2 }, compact_revision: -1 } },
      ]);
      expect(await etcdctl(['endpoint', 'hashkv', '-w', 'table'])).toMatch(/\| +\d+ \|\n/);
      expect(await etcdctl(['member', 'list', '-w', 'table'])).toContain('| started | default |');
    });

    it('answers in protobuf', async () => {
      await etcdctl(['put', 'a', '1']);
      const child = start(['get', 'a', '-w', 'protobuf']);
      const chunks: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      await once(child, 'close');
      const answer = decodeMessage<{ kvs: { value: Uint8Array }[]; count: string }>(
        'RangeResponse',
        Buffer.concat(chunks),
      );
      expect(answer.count).toBe('1');
      expect(Buffer.from(answer.kvs[0]?.value ?? []).toString()).toBe('1');
    });

    it('saves a snapshot whose checksum is right', async () => {
      await etcdctl(['put', 'a', 'in the snapshot']);
      await etcdctl(['snapshot', 'save', 'saved.db']);
      const file = readFileSync(join(directory, 'saved.db'));
      const [content, sum] = [file.subarray(0, -32), file.subarray(-32)];
      expect(sum.equals(createHash('sha256').update(content).digest())).toBe(true);
      expect(content.includes('in the snapshot')).toBe(true);
    });

    it('watches interactively, several keys on one stream', async () => {
      const watch = start(['watch', '-i']);
      const lines = linesOf(watch);
      watch.stdin.write('watch a\nwatch b --prev-kv\n');
      await expect.poll(async () => (await etcd.status(Context.background())).watchers, patience).toBe(2);
      await etcdctl(['put', 'b', '1']);
      expect(await lines.take(3)).toEqual(['PUT', 'b', '1']);
      await etcdctl(['del', 'b']);
      expect(await lines.take(7)).toEqual(['PUT', 'b', '1', 'DELETE', 'b', '1', 'b']);
      watch.stdin.write('progress\n');
      expect((await lines.take(9)).slice(-1)).toEqual(['progress notify: 3']);
      watch.kill();
    });

    it('holds a lock for one at a time', async () => {
      const first = start(['lock', 'door']);
      const [key = ''] = await linesOf(first).take(1);
      expect(key).toMatch(/^door\/[0-9a-f]+$/);
      const second = start(['lock', 'door']);
      const waiting = linesOf(second).take(1);
      await expect
        .poll(async () => (await etcdctl(['get', '--prefix', '--keys-only', 'door/'])).split('\n').length, patience)
        .toBe(5);
      first.kill('SIGINT');
      await once(first, 'close');
      expect((await waiting)[0]).toMatch(/^door\/[0-9a-f]+$/);
      second.kill('SIGINT');
      await once(second, 'close');
      expect(await etcdctl(['get', '--prefix', 'door/'])).toBe('');
    });

    it('elects one leader, who is observed and proclaims', async () => {
      const leader = start(['elect', 'office', 'me']);
      expect((await linesOf(leader).take(2))[1]).toBe('me');
      const observer = start(['elect', '-l', 'office']);
      expect((await linesOf(observer).take(2))[1]).toBe('me');
      observer.kill('SIGINT');
      leader.kill('SIGINT');
      await once(leader, 'close');
      expect(await etcdctl(['get', '--prefix', 'office/'])).toBe('');
    });

    it('keeps a lease alive in a stream', async () => {
      const id = /lease ([0-9a-f]+)/.exec(await etcdctl(['lease', 'grant', '2']))?.[1] ?? '';
      const alive = start(['lease', 'keep-alive', id]);
      const line = `lease ${id} keepalived with TTL(2)`;
      expect(await linesOf(alive).take(2)).toEqual([line, line]);
      alive.kill();
    });

    it('turns a client without a certificate of the CA away', async () => {
      const stranger = new Etcdctl(server.endpoint, directory, 'stranger');
      const { code, stdout } = await stranger.run(['get', 'a', '--command-timeout=1s']);
      expect(code).not.toBe(0);
      expect(stdout).toBe('');
    });
  },
);
