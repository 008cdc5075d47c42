import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { EtcdRpcServer } from '#etcd/rpc/server';
import { etcdTls, makeEtcdCertificates } from '../../harness/etcd-certificates.ts';
import { onPath, skipWithout } from '../../harness/programs.ts';
import { etcdProgram, RealEtcd } from '../../harness/real-etcd.ts';
import { Etcdctl, etcdctlProgram } from '../../harness/etcdctl.ts';

interface Command {
  readonly args: readonly string[];
  readonly input: string;
}

/** A line of a shell; what follows `<` is the input, with `;` for a new line. */
function command(line: string): Command {
  const [args = '', input = ''] = line.split(' < ');
  return { args: args.split(' ').filter((arg) => arg !== ''), input: input.replaceAll(';', '\n') };
}

/** In this order. `LEASE` is the lease granted last. */
const lines = [
  'put a 1',
  'put --prev-kv a 2',
  'put a/1 x',
  'put a/2 y',
  'put b z',
  'put -w json c 1',
  'put --ignore-value --prev-kv a',
  'put --ignore-value nobody',
  'put --ignore-lease a 3',
  'put --ignore-value a 3',
  'put d < from stdin',
  'get a',
  'get nobody',
  'get --prefix a',
  'get --prefix --keys-only a',
  'get --prefix --print-value-only a',
  'get --prefix --limit=2 a',
  'get --prefix --sort-by=MODIFY --order=DESCEND a',
  'get --prefix --sort-by=CREATE --order=ASCEND a',
  'get --prefix --sort-by=VERSION --order=DESCEND --limit=1 a',
  'get --prefix --sort-by=VALUE a',
  'get --prefix --sort-by=KEY --order=DESCEND a',
  'get --from-key a/2',
  'get --rev=2 a',
  'get --rev=99 a',
  'get --consistency=s a',
  'get -w json --prefix a',
  'get -w fields --prefix a',
  'get a b',
  'get -w simple --hex a',
  'txn < mod("a") = "0";;put e 1;;get a;;',
  'txn < value("a") = "3";;put e 1;del b;get a;;get a;;',
  'txn -w json < create("a") > "1";version("a") != "9";;get --prefix a;;;',
  'txn < ;put t 1;put t 2;;;',
  'txn < ;put --ignore-value nobody;;;',
  'del nobody',
  'del --prev-kv e',
  'del --prefix --prev-kv -w fields a/',
  'del --from-key t',
  'lease grant 60',
  'put --lease=LEASE leased 1',
  'put --lease=1234 leased 1',
  'lease timetolive LEASE',
  'lease timetolive --keys LEASE',
  'lease timetolive 1234',
  'lease keep-alive --once LEASE',
  'lease keep-alive --once 1234',
  'lease list',
  'lease list -w json',
  'get -w json leased',
  'lease revoke LEASE',
  'lease revoke LEASE',
  'get leased',
  'compaction 4',
  'compaction 4',
  'compaction 999',
  'compaction --physical 6',
  'get --rev=3 a',
  'defrag',
  'alarm list',
  'alarm disarm',
  'endpoint health',
  'member remove 1234',
  'member update 1234 --peer-urls=http://127.0.0.1:1',
  'member promote 1234',
  'move-leader 1234',
  'user list',
  'user get nobody',
  'user delete nobody',
  'role list',
  'role get nobody',
  'role delete nobody',
  'role grant-permission nobody read a',
  'user grant-role nobody nothing',
  'auth enable',
];

/** etcdctl's output beside its output for Debian's etcd, line by line. */
describe.skipIf(skipWithout(etcdProgram, etcdctlProgram, onPath('openssl', 'apt-get install openssl')))(
  'etcdctl, side by side',
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'drydock-etcdctl-'));
    let real: RealEtcd;
    let store: EmbeddedEtcd;
    let server: EtcdRpcServer;
    let clients: readonly Etcdctl[];
    const leases: string[] = [];

    beforeAll(async () => {
      makeEtcdCertificates(directory);
      const clock = new RealClock();
      store = await EmbeddedEtcd.open({ path: join(directory, 'store'), clock, logger: silentLogger });
      const { maintenance } = store;
      const options = { tls: etcdTls(directory), host: '127.0.0.1', port: 0, clock, logger: silentLogger };
      server = new EtcdRpcServer({ etcd: store, maintenance, ...options });
      await server.start();
      real = await RealEtcd.start();
      clients = [new Etcdctl(real.endpoint), new Etcdctl(server.endpoint, directory)];
    });

    afterAll(async () => {
      await server.stop();
      await store.close();
      await real.remove();
      rmSync(directory, { recursive: true, force: true });
    });

    it.each(lines)('etcdctl %s', async (line) => {
      const { args, input } = command(line);
      const [etcd, ours] = await Promise.all(
        clients.map(async (client, i) => {
          const own = args.map((arg) => arg.replace('LEASE', leases[i] ?? ''));
          const { code, stdout, stderr } = await client.run(own, input);
          leases[i] = /lease ([0-9a-f]+) granted/.exec(stdout)?.[1] ?? leases[i] ?? '';
          return { code, stdout: readable(stdout, client), stderr: readable(stderr, client) };
        }),
      );
      expect(ours).toEqual(etcd);
    });
  },
);

/** Without what differs between any two etcds: ids, addresses, times. */
function readable(text: string, { endpoint }: Etcdctl): string[] {
  return text
    .replaceAll(endpoint, 'ENDPOINT')
    .replace(/"(cluster_id|member_id|raft_term|ID|id)":\d+/g, '"$1":0')
    .replace(/"(ClusterID|MemberID|RaftTerm|Lease)" : \d+/g, '"$1" : 0')
    .replace(/"lease":\d+/g, '"lease":0')
    .replace(/\b[0-9a-f]{15,16}\b/g, 'ID')
    .replace(/took (= )?[\d.]+[mµ]?s/g, 'TIME')
    .replace(/remaining\(5\d+s\)|remaining\(60s\)/g, 'remaining(59s)')
    .replace(/"ts":"[^"]*"|endpoint:\/\/client-[^ "]*|"target":"[^"]*"/g, '')
    .split('\n');
}
