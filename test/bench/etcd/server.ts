import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { EtcdRpcServer } from '#etcd/rpc/server';
import { etcdTls } from '../../harness/etcd-certificates.ts';

/**
 * The embedded store and its gRPC port as a process of its own: `server.ts DATA CERTIFICATES PORT`. Asks for no client
 * certificate, since h2load has none to show. Runs until SIGTERM.
 */
const [path = '', certificates = '', port = '0'] = process.argv.slice(2);
const clock = new RealClock();
const etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger });
const { cert, key } = etcdTls(certificates);
const options = {
  etcd,
  maintenance: etcd.maintenance,
  clock,
  logger: silentLogger,
  host: '127.0.0.1',
  port: Number(port),
};
const server = new EtcdRpcServer({ ...options, tls: { cert, key } });
await server.start();
process.stdout.write(`${server.endpoint}\n`);
process.once('SIGTERM', () => {
  void server
    .stop()
    .then(() => etcd.close())
    .then(() => process.exit(0));
});
