import type { ApiServerMetrics } from '#apiserver/api-server-metrics';
import type { ApiServerDelegates } from '#apiserver/delegates';
import { defaultIssuer } from '#apiserver/auth/service-account-tokens';
import { NonResourceRoutes } from '#apiserver/discovery/routes';
import type { KubeletLocator } from '#apiserver/kubelet-connection';
import { apiServerPage } from '#apiserver/metrics/api-server-page';
import { PodStreaming } from '#apiserver/streaming/pod-streaming';
import { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { EtcdClient } from '#etcd/client';
import type { AccessControl } from './access-control.ts';
import { kubernetesVersion } from './identities.ts';

export interface DelegatesOptions {
  readonly access: AccessControl;
  readonly etcd: EtcdClient;
  readonly kubelets: KubeletLocator;
  /** `127.0.0.1:6443`. */
  readonly address: string;
  readonly metrics: () => ApiServerMetrics;
  readonly isServing: () => boolean;
  readonly logger: Logger;
}

/** What the API server's core leaves to others, put together. */
export function createDelegates(options: DelegatesOptions): ApiServerDelegates {
  const { access, etcd, kubelets, address, metrics, isServing, logger } = options;
  const { key, authorizer, reviews, tokens } = access;
  const routes = new NonResourceRoutes({
    serverAddress: () => address,
    livenessChecks: [
      { name: 'ping', check: () => {} },
      { name: 'etcd', check: async () => void (await etcd.status(Context.background())) },
    ],
    readinessChecks: [
      {
        name: 'poststarthook/bootstrap',
        check: () => {
          if (!isServing()) throw new Error('not finished');
        },
      },
    ],
    metricsPage: async (context) => apiServerPage(metrics(), await etcd.status(context), kubernetesVersion),
    issuer: defaultIssuer,
    jwks: () => key.jwks(),
    signingAlgorithm: key.algorithm,
  });
  return {
    authorizer,
    reviews,
    tokens,
    nonResource: (context, request, info) => routes.handle(context, request, info),
    streams: new PodStreaming({ kubelets, logger }),
  };
}
