import type { Socket } from 'node:net';
import type { Clock } from '#base/clock';
import type { Component, ComponentState } from '#base/component';
import { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import type { Ipv4Block } from '#base/ip';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { EtcdClient } from '#etcd/client';
import { ApiServer, type PostStartHook } from './api-server.ts';
import type { ApiServerMetrics } from './api-server-metrics.ts';
import { StaticTokens, UnionAuthenticator } from './auth/authenticator.ts';
import { mastersAuthorizer, UnionAuthorizer } from './auth/authorizer.ts';
import { BootstrapTokens } from './auth/bootstrap-tokens.ts';
import { bootstrapPolicy } from './auth/bootstrap/policy.ts';
import { escalationCheck } from './auth/escalation.ts';
import { JwtKey } from './auth/jwt.ts';
import { NodeAuthorizer } from './auth/node-authorizer.ts';
import { RbacReader } from './auth/object-reader.ts';
import { RbacAuthorizer } from './auth/rbac.ts';
import { Reviews } from './auth/reviews.ts';
import { signerChecks } from './auth/signer-checks.ts';
import { defaultIssuer, ServiceAccountTokens } from './auth/service-account-tokens.ts';
import { ensureObjects } from './bootstrap/ensure-objects.ts';
import { systemNamespaces, systemPriorityClasses } from './bootstrap/system-objects.ts';
import type { ApiServerDelegates, CachedObjects } from './delegates.ts';
import { NonResourceRoutes } from './discovery/routes.ts';
import { serverVersion } from './discovery/version.ts';
import { ApiServerListener } from './http/listener.ts';
import type { KubeletLocator } from './kubelet-connection.ts';
import { apiServerPage } from './metrics/api-server-page.ts';
import type { ApiHandler, UserInfo } from './request.ts';
import { PodStreaming } from './streaming/pod-streaming.ts';

export interface KubeApiServerOptions {
  /** For example `kube-apiserver/master-1`. */
  readonly name: string;
  readonly host: string;
  /** 0 for any free port. A function is asked at each start. */
  readonly port: number | (() => number);
  /** PEM: the CA of client certificates, the server's own certificate and key. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  /** PEM (PKCS #8) of the key that signs service account tokens: P-256 or RSA. */
  readonly serviceAccountKey: string;
  /** Bearer tokens that the cluster gave out itself, and whose they are. */
  readonly staticTokens: ReadonlyMap<string, UserInfo>;
  readonly etcd: EtcdClient;
  readonly serviceCidr: Ipv4Block;
  readonly kubelets: KubeletLocator;
  /** Run after the system's namespaces, priority classes and default policy are there. */
  readonly postStartHooks: readonly PostStartHook[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** kube-apiserver whole: the server, its delegates and its listener, started, stopped and crashed as one. */
export class KubeApiServer implements Component {
  readonly name: string;
  readonly #options: KubeApiServerOptions;
  readonly #server: ApiServer;
  readonly #listener: ApiServerListener;

  constructor(options: KubeApiServerOptions) {
    const { name, etcd, clock, random, serviceCidr, tls, host, port } = options;
    const logger = options.logger.named(name);
    this.name = name;
    this.#options = options;
    const postStartHooks = [
      ensureObjects(systemNamespaces),
      ensureObjects([...systemPriorityClasses, ...bootstrapPolicy]),
      ...options.postStartHooks,
    ];
    // Authorizers and token checks read the caches of the server that asks them.
    const objects: CachedObjects = {
      list: (group, resource, namespace) => this.#server.objects.list(group, resource, namespace),
      get: (group, resource, namespace, objectName) => this.#server.objects.get(group, resource, namespace, objectName),
    };
    const { authenticator, ...delegates } = this.#delegates(objects, logger);
    const { authorizer } = delegates;
    const shared = { name, clock, random, logger };
    this.#server = new ApiServer({ ...shared, etcd, serviceCidr, delegates: () => delegates, postStartHooks });
    this.#listener = new ApiServerListener({
      ...shared,
      host,
      port,
      tls,
      handler: this.#server,
      authenticator,
      authorizer,
    });
  }

  get state(): ComponentState {
    return this.#listener.state === 'running' ? this.#server.state : this.#listener.state;
  }

  /** For clients in the same process: no bytes, no authentication; who asks is in the request. */
  get handler(): ApiHandler {
    return this.#server;
  }

  get metrics(): ApiServerMetrics {
    return this.#server.metrics;
  }

  /** The bound port, while running. */
  get port(): number {
    return this.#listener.port;
  }

  /**
   * Serves on one more address of this machine while it runs, and again after a restart, until the result is disposed of. The
   * server must be running. Throws ListenError.
   */
  listenAlso(host: string, port: number): Promise<Disposable> {
    return this.#listener.listenAlso(host, port);
  }

  /** Serves a connection that was accepted elsewhere, as if at its own port; ends it unless the server runs. */
  accept(socket: Socket): void {
    this.#listener.accept(socket);
  }

  /** Throws ListenError when the port cannot be had, StatusError or EtcdError when the store cannot serve. */
  async start(context: Context): Promise<void> {
    await this.#server.start(context);
    try {
      await this.#listener.start(context);
    } catch (error) {
      await this.#server.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#listener.stop();
    await this.#server.stop();
  }

  crash(): void {
    this.#listener.crash();
    this.#server.crash();
  }

  #delegates(
    objects: CachedObjects,
    logger: Logger,
  ): ApiServerDelegates & { readonly authenticator: UnionAuthenticator } {
    const { kubelets, clock, staticTokens } = this.#options;
    const key = new JwtKey(this.#options.serviceAccountKey);
    const tokens = new ServiceAccountTokens({
      ...{ key, issuer: defaultIssuer, objects, clock },
      catchUp: (context, resource) => this.#server.catchUp(context, '', resource),
    });
    const { audiences } = tokens;
    const authenticator = new UnionAuthenticator(
      [tokens, new StaticTokens(staticTokens), new BootstrapTokens(objects, clock)],
      audiences,
    );
    const rbac = new RbacAuthorizer(new RbacReader(objects));
    const authorizer = new UnionAuthorizer([mastersAuthorizer, new NodeAuthorizer(objects), rbac]);
    const routes = this.#routes(key);
    return {
      authorizer,
      admission: [escalationCheck(authorizer, rbac), ...signerChecks(authorizer)],
      tokens,
      reviews: new Reviews({ authorizer, rbac, authenticator, audiences }),
      streams: new PodStreaming({ kubelets, objects, logger }),
      nonResource: (context, request, info) => routes.handle(context, request, info),
      authenticator,
    };
  }

  #routes(key: JwtKey): NonResourceRoutes {
    const { etcd, host } = this.#options;
    return new NonResourceRoutes({
      serverAddress: () => `${host}:${this.#listener.port}`,
      livenessChecks: [
        { name: 'ping', check: () => {} },
        { name: 'log', check: () => {} },
        { name: 'etcd', check: () => etcd.status(Context.background()).then(() => {}) },
        { name: 'poststarthook/rbac/bootstrap-roles', check: () => this.#requireRunning() },
      ],
      readinessChecks: [{ name: 'informer-sync', check: () => this.#requireRunning() }],
      metricsPage: async (context) =>
        apiServerPage(this.#server.metrics, await etcd.status(context), serverVersion.gitVersion),
      issuer: defaultIssuer,
      jwks: () => key.jwks(),
      signingAlgorithm: key.algorithm,
    });
  }

  #requireRunning(): void {
    if (this.#server.state !== 'running') throw new Error(`the server is ${this.#server.state}`);
  }
}
