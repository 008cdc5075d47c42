import { messageOf } from '#base/errors';
import type { Disposable } from '#base/disposable';
import type { Logger } from '#base/logger';
import type { ServiceRule } from '../service-rules.ts';
import { serveHttp, type HttpAnswer } from './http.ts';

interface Served {
  readonly port: number;
  localEndpoints: number;
  server: Disposable | undefined;
}

export interface ServiceHealthOptions {
  readonly logger: Logger;
  /** Whether rules follow the API. */
  readonly proxyHealthy: () => boolean;
}

/**
 * The `healthCheckNodePort` of each Service with `externalTrafficPolicy: Local`: tells load balancers whether this node has a
 * ready endpoint (pkg/proxy/healthcheck of kube-proxy, release 1.36).
 */
export class ServiceHealth implements Disposable {
  readonly #options: ServiceHealthOptions;
  readonly #served = new Map<string, Served>();

  constructor(options: ServiceHealthOptions) {
    this.#options = options;
  }

  replace(rules: readonly ServiceRule[]): void {
    const wanted = new Map<string, { readonly port: number; readonly ready: Set<string> }>();
    for (const { service, healthCheckNodePort: port, localReady } of rules) {
      if (port === undefined) continue;
      const entry = wanted.get(service) ?? { port, ready: new Set() };
      for (const ip of localReady) entry.ready.add(ip);
      wanted.set(service, entry);
    }
    for (const [service, served] of this.#served) if (wanted.get(service)?.port !== served.port) this.#close(service);
    for (const [service, { port, ready }] of wanted) {
      const served = this.#served.get(service) ?? this.#open(service, port);
      served.localEndpoints = ready.size;
    }
  }

  dispose(): void {
    for (const service of [...this.#served.keys()]) this.#close(service);
  }

  #open(service: string, port: number): Served {
    const served: Served = { port, localEndpoints: 0, server: undefined };
    this.#served.set(service, served);
    serveHttp('0.0.0.0', port, () => this.#answer(service, served)).then(
      (server) => {
        if (this.#served.get(service) === served) served.server = server;
        else server.dispose();
      },
      (error: unknown) => {
        // The next change of rules tries again.
        if (this.#served.get(service) === served) this.#served.delete(service);
        this.#options.logger.warn('cannot answer health checks of a service', {
          ...{ service, port, error: messageOf(error) },
        });
      },
    );
    return served;
  }

  #close(service: string): void {
    this.#served.get(service)?.server?.dispose();
    this.#served.delete(service);
  }

  #answer(service: string, { localEndpoints }: Served): HttpAnswer {
    const [namespace, name] = service.split('/');
    const serviceProxyHealthy = this.#options.proxyHealthy();
    const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy };
    return {
      status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
      contentType: 'application/json',
      headers: { 'X-Load-Balancing-Endpoint-Weight': String(localEndpoints) },
      body: JSON.stringify(body, undefined, '\t'),
    };
  }
}
