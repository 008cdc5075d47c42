import { ApiServer } from '#apiserver/api-server';
import { bootstrapPolicy } from '#apiserver/auth/bootstrap/policy';
import { ensureObjects } from '#apiserver/bootstrap/ensure-objects';
import { kubernetesService } from '#apiserver/bootstrap/kubernetes-service';
import { systemNamespaces, systemPriorityClasses } from '#apiserver/bootstrap/system-objects';
import { ListenError, ApiServerListener } from '#apiserver/http/listener';
import type { KubeletLocator } from '#apiserver/kubelet-connection';
import type { Clock } from '#base/clock';
import type { Component, ComponentState } from '#base/component';
import type { Context } from '#base/context';
import { parseCidr } from '#base/ip';
import { present } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { EtcdClient } from '#etcd/client';
import { AccessControl } from './access-control.ts';
import { createDelegates } from './api-delegates.ts';
import { ClusterError } from './errors.ts';
import type { ClusterPki } from './pki.ts';

export const serviceCidr = '10.96.0.0/16';
const kubernetesServiceIp = '10.96.0.1';

export interface ApiServerStackOptions {
  /** For example `master-1`. */
  readonly master: string;
  /** The master's address on the lab's own network, where pods reach the API server. */
  readonly masterIp: string;
  readonly port: number;
  readonly pki: ClusterPki;
  readonly etcd: EtcdClient;
  readonly kubelets: KubeletLocator;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** kube-apiserver as one component: the server and its listener live and die together. */
export class ApiServerStack implements Component {
  readonly name: string;
  readonly server: ApiServer;
  readonly #listener: ApiServerListener;
  readonly #options: ApiServerStackOptions;

  constructor(options: ApiServerStackOptions) {
    const { master, port, pki, clock, random, logger } = options;
    this.name = `kube-apiserver/${master}`;
    this.#options = options;
    let access: AccessControl | undefined;
    this.server = new ApiServer({
      ...{ name: this.name, etcd: options.etcd, clock, random, logger: logger.named('apiserver') },
      serviceCidr: present(parseCidr(serviceCidr), 'the service range is a CIDR'),
      delegates: (objects) => {
        access = new AccessControl({ objects, serviceAccountKey: options.pki.serviceAccountKey, clock });
        return createDelegates({
          ...{ access, etcd: options.etcd, kubelets: options.kubelets, address: `127.0.0.1:${port}`, logger },
          metrics: () => this.server.metrics,
          isServing: () => this.server.state === 'running',
        });
      },
      postStartHooks: [
        ensureObjects([...systemNamespaces, ...systemPriorityClasses]),
        ensureObjects(bootstrapPolicy),
        kubernetesService({ clusterIp: kubernetesServiceIp, endpoints: [{ ip: options.masterIp, port: 6443 }] }),
      ],
    });
    const { authenticator, authorizer } = present(access, 'the server asked for its delegates');
    this.#listener = new ApiServerListener({
      ...{ name: this.name, host: '127.0.0.1', port, handler: this.server, authenticator, authorizer, clock, random },
      tls: { ca: pki.ca.certificate, cert: pki.apiserver.certificate, key: pki.apiserver.key },
      logger: logger.named('apiserver'),
    });
  }

  get state(): ComponentState {
    return this.server.state;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#options.port}`;
  }

  /** Throws ClusterError PORT_TAKEN. */
  async start(context: Context): Promise<void> {
    await this.server.start(context);
    try {
      await this.#listener.start(context);
    } catch (error) {
      await this.server.stop();
      if (!(error instanceof ListenError) || error.code !== 'PORT_TAKEN') throw error;
      throw new ClusterError('PORT_TAKEN', `port ${this.#options.port} on 127.0.0.1 is taken; choose another with --api-port`, { cause: error });
    }
  }

  async stop(): Promise<void> {
    await this.#listener.stop();
    await this.server.stop();
  }

  crash(): void {
    this.#listener.crash();
    this.server.crash();
  }
}
