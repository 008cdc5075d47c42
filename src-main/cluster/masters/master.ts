import type { Socket } from 'node:net';
import { kubernetesService } from '#apiserver/bootstrap/kubernetes-service';
import { KubeApiServer } from '#apiserver/kube-apiserver';
import type { KubeletLocator } from '#apiserver/kubelet-connection';
import type { ApiHandler, UserInfo } from '#apiserver/request';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, present } from '#base/errors';
import { parseCidr } from '#base/ip';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from '#client/client';
import { RestClient } from '#client/rest-client';
import { ControllerManager } from '#controller-manager/controller-manager';
import { kubeControllers } from '#controller-manager/kube-controllers';
import type { EtcdClient } from '#etcd/client';
import { Scheduler } from '#scheduler/scheduler';
import { apiAddress, kubernetesServiceIp, serviceCidr } from '../addresses.ts';
import { identities, kubernetesVersion } from '../identities.ts';
import { InProcessTransport } from '../in-process-transport.ts';
import type { ClusterPki } from '../pki.ts';
import { freePort } from '../ports.ts';

export interface MasterOptions {
  /** `master-1` */
  readonly name: string;
  readonly etcd: EtcdClient;
  /** Of its API server on 127.0.0.1. */
  readonly port: number;
  /** Whether it is the address that clients know: then no other port will do. */
  readonly isPortFixed: boolean;
  readonly pki: ClusterPki;
  readonly kubelets: KubeletLocator;
  /** Addresses for Services of type LoadBalancer, both ends included. */
  readonly balancerPool: () => { readonly first: string; readonly last: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export type MasterState = 'stopped' | 'starting' | 'running' | 'killed';

/**
 * One master: kube-apiserver, kube-scheduler and kube-controller-manager, the latter two as clients of the API server beside
 * them (kubeadm's layout). It holds nothing that is not in the store. Each of the three can also be killed on its own.
 */
export class Master {
  readonly name: string;
  readonly apiServer: KubeApiServer;
  readonly scheduler: Scheduler;
  readonly controllerManager: ControllerManager;
  readonly #clock: Clock;
  readonly #isPortFixed: boolean;
  #port: number;
  #state: MasterState = 'stopped';
  #sinceMs: number;
  #starting: Promise<void> | undefined;

  constructor(options: MasterOptions) {
    const { name, pki, clock, random, logger } = options;
    this.name = name;
    this.#clock = clock;
    this.#sinceMs = clock.now();
    this.#isPortFixed = options.isPortFixed;
    this.#port = options.port;
    this.apiServer = createApiServer(options, () => this.#port);
    const client = (user: UserInfo, program: string): KubeClient => clientOf(this.apiServer.handler, user, program);
    this.scheduler = new Scheduler({
      name: `kube-scheduler/${name}`,
      client: client(identities.scheduler, 'kube-scheduler'),
      ...{ clock, random, logger: logger.named('scheduler') },
    });
    this.controllerManager = new ControllerManager({
      name: `kube-controller-manager/${name}`,
      ...{ clock, random, logger: logger.named('controller-manager') },
      client: client(identities.controllerManager, 'kube-controller-manager'),
      clientOf: (controller) => client(identities.controller(controller), `kube-controller-manager/${controller}`),
      controllers: kubeControllers({
        rootCa: pki.ca.certificate,
        signing: pki.ca,
        loadBalancerPool: options.balancerPool,
      }),
    });
  }

  /** Of the machine, as it were: one program of it may be down all the same. */
  get state(): MasterState {
    return this.#state;
  }

  /** When it came into its state, on the lab's clock. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Where its API server answers by itself, on 127.0.0.1. */
  get port(): number {
    return this.#port;
  }

  /** Whether its API server takes requests. */
  get serves(): boolean {
    return this.apiServer.state === 'running';
  }

  accept(socket: Socket): void {
    this.apiServer.accept(socket);
  }

  /** The API server alone: what everything else needs. Throws ListenError, StatusError or EtcdError. */
  async startApi(context: Context): Promise<void> {
    this.#become('starting');
    try {
      // While it was down somebody else may have taken its port, behind which nobody looks for it.
      if (!this.#isPortFixed) this.#port = await freePort(this.#port);
      if (this.#state !== 'starting') throw new CancelledError('cancelled', `${this.name} was killed while it started`);
      await this.apiServer.start(context);
    } catch (error) {
      this.crash();
      throw error;
    }
  }

  async startControllers(context: Context): Promise<void> {
    await Promise.all([this.scheduler.start(context), this.controllerManager.start(context)]);
    this.#become('running');
  }

  /** All of it; also what of it was killed on its own. Resolves when it serves. Idempotent. */
  start(context: Context): Promise<void> {
    this.#starting ??= this.#start(context).finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async stop(): Promise<void> {
    await Promise.all([this.scheduler.stop(), this.controllerManager.stop()]);
    await this.apiServer.stop();
    this.#become('stopped');
  }

  /** Pulls the plug: nothing is told to anybody, leases run out by themselves. */
  crash(): void {
    this.scheduler.crash();
    this.controllerManager.crash();
    this.apiServer.crash();
    this.#become('killed');
  }

  async #start(context: Context): Promise<void> {
    if (!this.serves) await this.startApi(context);
    if (this.#state === 'killed') return;
    await this.startControllers(context);
  }

  #become(state: MasterState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#sinceMs = this.#clock.now();
  }
}

function createApiServer(options: MasterOptions, port: () => number): KubeApiServer {
  const { name, etcd, pki, kubelets, clock, random, logger } = options;
  return new KubeApiServer({
    ...{ name: `kube-apiserver/${name}`, host: '127.0.0.1', port, etcd, kubelets, clock, random, logger },
    tls: { ca: pki.ca.certificate, cert: pki.apiserver.certificate, key: pki.apiserver.key },
    serviceAccountKey: pki.serviceAccountKey,
    staticTokens: new Map(),
    serviceCidr: present(parseCidr(serviceCidr), 'the service range is a CIDR'),
    // The one address that every node leads to whichever master lives: nothing to reconcile when one dies.
    postStartHooks: [kubernetesService({ clusterIp: kubernetesServiceIp, endpoints: [apiAddress] })],
  });
}

function clientOf(handler: ApiHandler, user: UserInfo, program: string): KubeClient {
  const userAgent = `${program}/${kubernetesVersion} (linux/amd64) drydock`;
  return new RestClient(new InProcessTransport({ handler, user, userAgent }));
}
