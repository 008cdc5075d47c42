import { UnionAuthenticator } from '#apiserver/auth/authenticator';
import { mastersAuthorizer } from '#apiserver/auth/authorizer';
import { ApiServerListener } from '#apiserver/http/listener';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { HttpsTransport } from '#client/https-transport';
import { createAuthority, issueCertificate } from '#cluster/certificates';
import { transportSuite } from './suite.ts';

const nowMs = Date.now();
const ca = await createAuthority('kubernetes', nowMs);
const server = await issueCertificate(
  ca,
  { usage: 'server', commonName: 'kube-apiserver', dnsNames: ['localhost'], ips: ['127.0.0.1'] },
  nowMs,
);
const client = await issueCertificate(ca, { usage: 'client', commonName: 'admin', groups: ['system:masters'] }, nowMs);

transportSuite('HTTPS', async (api) => {
  const listener = new ApiServerListener({
    name: 'kube-apiserver/test',
    host: '127.0.0.1',
    port: 0,
    tls: { ca: ca.certificate, cert: server.certificate, key: server.key },
    handler: api.server,
    authenticator: new UnionAuthenticator([], ['api']),
    authorizer: mastersAuthorizer,
    clock: new RealClock(),
    random: new SeededRandom(1),
    logger: silentLogger,
  });
  await listener.start(Context.background());
  const transport = new HttpsTransport({
    server: `https://127.0.0.1:${listener.port}`,
    ca: ca.certificate,
    credentials: { cert: client.certificate, key: client.key },
    userAgent: 'conformance/1',
  });
  return {
    transport,
    close: async () => {
      transport.close();
      await listener.stop();
    },
  };
});
