import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { freshSeed, SeededRandom } from '#base/random';
import type { KubeClient } from '#client/client';
import { RestClient } from '#client/rest-client';
import { secrets } from '#client/resources';
import { identities } from '#cluster/identities';
import { InProcessTransport } from '#cluster/in-process-transport';
import { ControllerManager } from '#controller-manager/controller-manager';
import { kubeControllers } from '#controller-manager/kube-controllers';
import type { RunningApiServer } from './kube-apiserver.ts';

/** A client of that server as one of the cluster's own parts. */
export function clientAs(api: RunningApiServer, user: (typeof identities)['admin']): KubeClient {
  return new RestClient(new InProcessTransport({ handler: api.server.handler, user, userAgent: 'test' }));
}

/** The controllers whose names match, running against that server. */
export async function startControllers(api: RunningApiServer, wanted: RegExp): Promise<ControllerManager> {
  const manager = new ControllerManager({
    ...{ name: 'kube-controller-manager/test', clock: new RealClock(), random: new SeededRandom(freshSeed()) },
    logger: silentLogger,
    client: clientAs(api, identities.controllerManager),
    clientOf: (controller) => clientAs(api, identities.controller(controller)),
    controllers: kubeControllers({ rootCa: api.ca.certificate, signing: api.ca }).filter(({ name }) =>
      wanted.test(name),
    ),
  });
  await manager.start(Context.background());
  return manager;
}

/** Makes a bootstrap token as `kubeadm token create` does, and returns it. */
export async function createBootstrapToken(api: RunningApiServer): Promise<string> {
  const [id, secret] = ['abcdef', '0123456789abcdef'];
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  await clientAs(api, identities.admin)
    .resource(secrets)
    .create(Context.background(), {
      ...{ apiVersion: 'v1', kind: 'Secret', type: 'bootstrap.kubernetes.io/token' },
      metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
      data: {
        ...{ 'token-id': base64(id), 'token-secret': base64(secret), 'usage-bootstrap-authentication': base64('true') },
        'auth-extra-groups': base64('system:bootstrappers:kubeadm:default-node-token'),
      },
    } as never);
  return `${id}.${secret}`;
}
