import { createHash } from 'node:crypto';
import type { Context } from '#base/context';
import { StatusError } from '#api/machinery/status';
import {
  aggregatedDiscovery,
  aggregatedMediaType,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
} from '#api/openapi/discovery';
import { groupVersionPath } from '#api/openapi/paths';
import { servedGroups } from '#api/resources/table';
import type { RequestInfo } from '../http/request-info.ts';
import { parseAccept } from '../http/negotiate.ts';
import { metricsContentType } from '../metrics/prometheus.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { answerHealth, type HealthCheck } from './health.ts';
import { OpenApiRoutes } from './open-api-routes.ts';
import { serverVersion } from './version.ts';

export interface NonResourceOptions {
  /** `127.0.0.1:6443`, where clients reach this server. */
  readonly serverAddress: () => string;
  readonly livenessChecks: readonly HealthCheck[];
  /** Besides those of liveness. */
  readonly readinessChecks: readonly HealthCheck[];
  readonly metricsPage: (context: Context) => Promise<string>;
  /** For service account tokens. */
  readonly issuer: string;
  readonly jwks: () => unknown;
  readonly signingAlgorithm: string;
}

/** Answers the paths that name no resource. Requests come here authorised. */
export class NonResourceRoutes {
  readonly #options: NonResourceOptions;
  readonly #openApi: OpenApiRoutes;

  constructor(options: NonResourceOptions) {
    this.#options = options;
    this.#openApi = new OpenApiRoutes(serverVersion.gitVersion);
  }

  /** Undefined for a path nobody serves. */
  async handle(context: Context, request: ApiRequest, info: RequestInfo): Promise<ApiResponse | undefined> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
    }
    const [first = '', ...rest] = info.path.split('/').filter(Boolean);
    switch (first) {
      case '':
        return json({ paths: this.#paths() });
      case 'version':
        return rest.length === 0 ? json(serverVersion) : undefined;
      case 'healthz':
      case 'livez':
      case 'readyz':
        return answerHealth(first, rest.join('/'), request.query, this.#checks(first));
      case 'metrics':
        return {
          kind: 'text',
          status: 200,
          contentType: metricsContentType,
          text: await this.#options.metricsPage(context),
        };
      case 'api':
        return rest.length === 0
          ? this.#discovery(request, 'api')
          : orMissing(rest.length === 1 ? apiResourceList('', rest[0] ?? '') : undefined);
      case 'apis':
        return this.#group(request, rest);
      case 'openapi':
        return this.#openApi.handle(request, rest);
      case '.well-known':
      case 'openid':
        return this.#openId(info.path);
      default:
        return undefined;
    }
  }

  #checks(path: string): readonly HealthCheck[] {
    const { livenessChecks, readinessChecks } = this.#options;
    return path === 'livez' ? livenessChecks : [...livenessChecks, ...readinessChecks];
  }

  #group(request: ApiRequest, rest: readonly string[]): ApiResponse | undefined {
    const [group = '', version = '', ...more] = rest;
    if (group === '') return this.#discovery(request, 'apis');
    if (more.length > 0) return undefined;
    return orMissing(version === '' ? apiGroup(group) : apiResourceList(group, version));
  }

  /** `/api` and `/apis`: the aggregated document for clients that know it, else the list of versions or groups. */
  #discovery(request: ApiRequest, root: 'api' | 'apis'): ApiResponse {
    if (!wantsAggregated(request.headers['accept'] ?? '')) {
      return json(root === 'api' ? apiVersions(this.#options.serverAddress()) : apiGroupList(), { vary: 'Accept' });
    }
    const text = JSON.stringify(aggregatedDiscovery(`/${root}`));
    const etag = `"${createHash('sha256').update(text).digest('hex').toUpperCase()}"`;
    const headers = { etag, vary: 'Accept' };
    const contentType = aggregatedMediaType;
    if (request.headers['if-none-match'] === etag) return { kind: 'text', status: 304, contentType, text: '', headers };
    return { kind: 'text', status: 200, contentType, text, headers };
  }

  #openId(path: string): ApiResponse | undefined {
    const { issuer, jwks, signingAlgorithm } = this.#options;
    const headers = { 'cache-control': 'public, max-age=3600' };
    if (path === '/openid/v1/jwks') {
      return {
        kind: 'text',
        status: 200,
        contentType: 'application/jwk-set+json',
        text: JSON.stringify(jwks()),
        headers,
      };
    }
    if (path !== '/.well-known/openid-configuration') return undefined;
    return json(
      {
        issuer,
        jwks_uri: `https://${this.#options.serverAddress()}/openid/v1/jwks`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: [signingAlgorithm],
      },
      headers,
    );
  }

  #paths(): readonly string[] {
    const groups = [...servedGroups()].flatMap(([group, versions]) =>
      versions.map((version) => groupVersionPath(group, version)),
    );
    const parents = groups.flatMap((path) =>
      path.startsWith('/apis/') ? [path.split('/').slice(0, 3).join('/')] : [],
    );
    const checks = (path: string, list: readonly HealthCheck[]): string[] => [
      path,
      ...list.map(({ name }) => `${path}/${name}`),
    ];
    const paths = [
      ...[
        '/.well-known/openid-configuration',
        '/api',
        '/apis',
        '/metrics',
        '/openapi/v2',
        '/openapi/v3',
        '/openid/v1/jwks',
        '/version',
      ],
      ...groups,
      ...groups.map((path) => `/openapi/v3${path}`),
      ...parents,
      ...checks('/healthz', this.#checks('healthz')),
      ...checks('/livez', this.#checks('livez')),
      ...checks('/readyz', this.#checks('readyz')),
    ];
    return [...new Set(paths)].sort();
  }
}

function wantsAggregated(accept: string): boolean {
  const [first] = parseAccept(accept).filter(({ type }) => type === 'application/json');
  return first?.parameters['as'] === 'APIGroupDiscoveryList' && first.parameters['v'] === 'v2';
}

function orMissing(document: unknown): ApiResponse | undefined {
  return document === undefined ? undefined : json(document);
}

function json(object: unknown, headers: Readonly<Record<string, string>> = {}): ApiResponse {
  return { kind: 'object', status: 200, object, headers };
}
