import type { ApiHandler } from '#apiserver/request';
import type { KubeletLocator } from '#apiserver/kubelet-connection';
import type { UserInfo } from '#apiserver/request';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from '#client/client';
import { RestClient } from '#client/rest-client';
import { ControllerManager } from '#controller-manager/controller-manager';
import { kubeControllers } from '#controller-manager/kube-controllers';
import { Scheduler } from '#scheduler/scheduler';
import { ApiServerStack } from './api-server-stack.ts';
import { EmbeddedStore } from './embedded-store.ts';
import { identities, kubernetesVersion } from './identities.ts';
import { InProcessTransport } from './in-process-transport.ts';
import type { ClusterPki } from './pki.ts';

export interface ControlPlaneOptions {
  readonly master: string;
  readonly masterIp: string;
  readonly folder: string;
  readonly apiPort: number;
  readonly etcdPort: number;
  readonly pki: ClusterPki;
  readonly kubelets: KubeletLocator;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** One master: etcd, kube-apiserver, kube-scheduler, kube-controller-manager, each of which can be killed on its own. */
export class ControlPlane {
  readonly etcd: EmbeddedStore;
  readonly scheduler: Scheduler;
  readonly controllerManager: ControllerManager;
  readonly #options: ControlPlaneOptions;
  #apiServer: ApiServerStack | undefined;

  constructor(options: ControlPlaneOptions) {
    const { master, folder, etcdPort, pki, clock, random, logger } = options;
    this.#options = options;
    this.etcd = new EmbeddedStore({ master, folder, port: etcdPort, pki, clock, logger });
    this.scheduler = new Scheduler({ name: `kube-scheduler/${master}`, client: this.#client(identities.scheduler, 'kube-scheduler'), clock, random, logger: logger.named('scheduler') });
    this.controllerManager = new ControllerManager({
      ...{ name: `kube-controller-manager/${master}`, clock, random, logger: logger.named('controller-manager') },
      client: this.#client(identities.controllerManager, 'kube-controller-manager'),
      clientOf: (account) => this.#client(identities.controller(account), `kube-controller-manager/${account}`),
      controllers: kubeControllers({ rootCa: pki.ca.certificate }),
    });
  }

  /** The API server as other parts of this process reach it; ServiceUnavailable while it is down. */
  readonly handler: ApiHandler = {
    handle: (context, request) => this.apiServer.server.handle(context, request),
  };

  get apiServer(): ApiServerStack {
    if (!this.#apiServer) throw new Error('the API server was never started');
    return this.#apiServer;
  }

  /** Store and API server: what everything else needs. */
  async startApi(context: Context): Promise<void> {
    await this.etcd.start();
    const { master, masterIp, apiPort, pki, kubelets, clock, random, logger } = this.#options;
    this.#apiServer = new ApiServerStack({ master, masterIp, port: apiPort, pki, etcd: this.etcd.client, kubelets, clock, random, logger });
    await this.#apiServer.start(context);
  }

  async startControllers(context: Context): Promise<void> {
    await Promise.all([this.scheduler.start(context), this.controllerManager.start(context)]);
  }

  async stop(): Promise<void> {
    await Promise.all([this.scheduler.stop(), this.controllerManager.stop()]);
    await this.#apiServer?.stop();
    await this.etcd.stop();
  }

  crash(): void {
    this.scheduler.crash();
    this.controllerManager.crash();
    this.#apiServer?.crash();
    this.etcd.crash();
  }

  #client(user: UserInfo, program: string): KubeClient {
    const userAgent = `${program}/${kubernetesVersion} (linux/amd64) drydock`;
    return new RestClient(new InProcessTransport({ handler: { handle: (context, request) => this.handler.handle(context, request) }, user, userAgent }));
  }
}
