import type { ApiHandler } from '#apiserver/request';
import type { KubeletLocator } from '#apiserver/kubelet-connection';
import type { UserInfo } from '#apiserver/request';
import { kubernetesService } from '#apiserver/bootstrap/kubernetes-service';
import { ListenError } from '#apiserver/http/listen';
import { KubeApiServer } from '#apiserver/kube-apiserver';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { present } from '#base/errors';
import { parseCidr } from '#base/ip';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from '#client/client';
import { RestClient } from '#client/rest-client';
import { ControllerManager } from '#controller-manager/controller-manager';
import { kubeControllers } from '#controller-manager/kube-controllers';
import { Scheduler } from '#scheduler/scheduler';
import { apiAddress, kubernetesServiceIp, serviceCidr } from './addresses.ts';
import { ClusterError } from './errors.ts';
import { identities, kubernetesVersion } from './identities.ts';
import { InProcessTransport } from './in-process-transport.ts';
import type { ClusterPki } from './pki.ts';
import type { LabStore } from './stores/lab-store.ts';

export interface ControlPlaneOptions {
  readonly master: string;
  readonly store: LabStore;
  readonly apiPort: number;
  readonly pki: ClusterPki;
  readonly kubelets: KubeletLocator;
  /** Addresses for Services of type LoadBalancer, both ends included. */
  readonly balancerPool: () => { readonly first: string; readonly last: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** One master on a store: kube-apiserver, kube-scheduler, kube-controller-manager, each of which can be killed on its own. */
export class ControlPlane {
  readonly store: LabStore;
  readonly scheduler: Scheduler;
  readonly controllerManager: ControllerManager;
  readonly #options: ControlPlaneOptions;
  #apiServer: KubeApiServer | undefined;

  constructor(options: ControlPlaneOptions) {
    const { master, store, pki, clock, random, logger } = options;
    this.#options = options;
    this.store = store;
    this.scheduler = new Scheduler({
      name: `kube-scheduler/${master}`,
      client: this.#client(identities.scheduler, 'kube-scheduler'),
      clock,
      random,
      logger: logger.named('scheduler'),
    });
    this.controllerManager = new ControllerManager({
      ...{ name: `kube-controller-manager/${master}`, clock, random, logger: logger.named('controller-manager') },
      client: this.#client(identities.controllerManager, 'kube-controller-manager'),
      clientOf: (controller) =>
        this.#client(identities.controller(controller), `kube-controller-manager/${controller}`),
      controllers: kubeControllers({
        rootCa: pki.ca.certificate,
        signing: pki.ca,
        loadBalancerPool: options.balancerPool,
      }),
    });
  }

  /** The API server as other parts of this process reach it; ServiceUnavailable while it is down. */
  readonly handler: ApiHandler = {
    handle: (context, request) => this.apiServer.handler.handle(context, request),
  };

  get apiServer(): KubeApiServer {
    if (!this.#apiServer) throw new Error('the API server was never started');
    return this.#apiServer;
  }

  /** Store and API server: what everything else needs. */
  async startApi(context: Context): Promise<void> {
    await this.store.start(context);
    this.#apiServer = this.#createApiServer();
    try {
      await this.#apiServer.start(context);
    } catch (error) {
      if (!(error instanceof ListenError) || error.code !== 'PORT_TAKEN') throw error;
      const { apiPort } = this.#options;
      const text = `port ${apiPort} on 127.0.0.1 is taken; choose another with --api-port`;
      throw new ClusterError('PORT_TAKEN', text, { cause: error });
    }
  }

  /** The API server's port on one more address of this computer, for the nodes that are not in this process. */
  async listenAlso(host: string): Promise<void> {
    await this.apiServer.listenAlso(host, this.apiServer.port);
  }

  async startControllers(context: Context): Promise<void> {
    await Promise.all([this.scheduler.start(context), this.controllerManager.start(context)]);
  }

  #createApiServer(): KubeApiServer {
    const { master, apiPort, pki, kubelets, clock, random, logger } = this.#options;
    return new KubeApiServer({
      ...{ name: `kube-apiserver/${master}`, host: '127.0.0.1', port: apiPort, clock, random, logger, kubelets },
      tls: { ca: pki.ca.certificate, cert: pki.apiserver.certificate, key: pki.apiserver.key },
      serviceAccountKey: pki.serviceAccountKey,
      staticTokens: new Map(),
      etcd: this.store.client,
      serviceCidr: present(parseCidr(serviceCidr), 'the service range is a CIDR'),
      postStartHooks: [kubernetesService({ clusterIp: kubernetesServiceIp, endpoints: [apiAddress] })],
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.scheduler.stop(), this.controllerManager.stop()]);
    await this.#apiServer?.stop();
    await this.store.stop();
  }

  crash(): void {
    this.scheduler.crash();
    this.controllerManager.crash();
    this.#apiServer?.crash();
    this.store.crash();
  }

  #client(user: UserInfo, program: string): KubeClient {
    const userAgent = `${program}/${kubernetesVersion} (linux/amd64) drydock`;
    return new RestClient(
      new InProcessTransport({
        handler: { handle: (context, request) => this.handler.handle(context, request) },
        user,
        userAgent,
      }),
    );
  }
}
