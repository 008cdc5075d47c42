import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { EndpointSlice, Pod, Service } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { ByteStream } from '#base/streams';
import { duplexOf } from '#streaming/byte-streams';
import type { CachedObjects } from '../delegates.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { KubeletLocator } from '../kubelet-connection.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';

export interface HttpProxyOptions {
  readonly kubelets: KubeletLocator;
  readonly objects: Pick<CachedObjects, 'list'>;
}

/** `web`, `web:80`, `web:http` or `http:web:80`, as proxied names are written. */
export interface ProxyName {
  readonly scheme: string;
  readonly name: string;
  /** Number or name; empty for the only one. */
  readonly port: string;
}

/** Throws BadRequest. */
export function parseProxyName(text: string): ProxyName {
  const parts = text.split(':');
  const [first = '', second = '', third = ''] = parts;
  if (parts.length > 3) throw new StatusError('BadRequest', `invalid proxy name ${JSON.stringify(text)}`);
  if (parts.length === 3) return { scheme: first, name: second, port: third };
  return { scheme: '', name: first, port: second };
}

/**
 * The `proxy` of Nodes, pods and Services (`registry/core/*\/rest`, release 1.36) for GET and HEAD: the request goes to the
 * kubelet's port, or through the kubelet into the pod. Answers pass as they are; links in pages are not rewritten.
 */
export class HttpProxy {
  readonly #options: HttpProxyOptions;

  constructor(options: HttpProxyOptions) {
    this.#options = options;
  }

  async handle(context: Context, request: ApiRequest, info: RequestInfo, object: KubeObject): Promise<ApiResponse> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new StatusError('MethodNotAllowed', 'only GET and HEAD requests are proxied');
    }
    const target = parseProxyName(info.name);
    if (info.resource !== 'nodes' && target.scheme === 'https') {
      throw new StatusError('BadRequest', 'HTTPS inside the cluster is not proxied: name the port without https:');
    }
    const stream = await this.#dial(context, info.resource, object, target.port);
    return exchange(context, stream, request, `/${info.parts.slice(3).map(encodeURIComponent).join('/')}`);
  }

  async #dial(context: Context, resource: string, object: KubeObject, port: string): Promise<ByteStream> {
    const { name = '' } = object.metadata;
    if (resource === 'nodes') {
      const kubelet = await this.#options.kubelets(context, name);
      if (kubelet.dial) return kubelet.dial(context);
      throw new StatusError('NotFound', `the kubelet of the simulated node ${name} has no port to be asked at`);
    }
    const place =
      resource === 'services' ? this.#endpointOf(object as Service & KubeObject, port) : podPlace(object, port);
    const kubelet = await this.#options.kubelets(context, place.nodeName);
    try {
      return await kubelet.portForward(context, object.metadata.namespace ?? '', place.pod, place.port);
    } catch (error) {
      throw unreachable(context, error);
    }
  }

  /** Some endpoint of the Service that is ready and is a pod. */
  #endpointOf({ metadata, spec }: Service & KubeObject, asked: string): Place {
    const { name = '', namespace = '' } = metadata;
    const ports = spec.ports ?? [];
    const wanted =
      asked === '' && ports.length === 1
        ? ports[0]
        : ports.find(({ name: own, port }) => own === asked || String(port) === asked);
    const slices = this.#options.objects.list('discovery.k8s.io', 'endpointslices', namespace) as readonly (KubeObject &
      EndpointSlice)[];
    for (const slice of wanted ? slices : []) {
      if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue;
      const port = slice.ports?.find((one) => (one.name ?? '') === (wanted?.name ?? ''))?.port;
      const ready = slice.endpoints?.find(
        ({ conditions, targetRef }) => conditions?.ready !== false && targetRef?.kind === 'Pod',
      );
      if (port === undefined || !ready?.nodeName || !ready.targetRef?.name) continue;
      return { nodeName: ready.nodeName, pod: ready.targetRef.name, port };
    }
    const about = asked === '' ? name : `${name}:${asked}`;
    throw new StatusError('ServiceUnavailable', `no endpoints available for service ${JSON.stringify(about)}`);
  }
}

interface Place {
  readonly nodeName: string;
  readonly pod: string;
  readonly port: number;
}

/** Without a port the first one of the first container, and 80 where there is none. */
function podPlace(object: KubeObject, asked: string): Place {
  const { metadata, spec } = object as Pod & KubeObject;
  const ports = spec.containers.flatMap((container) => container.ports ?? []);
  const named = ports.find(({ name }) => name === asked)?.containerPort;
  const port = asked === '' ? (ports[0]?.containerPort ?? 80) : (named ?? Number(asked));
  const pod = metadata.name ?? '';
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new StatusError('BadRequest', `pod ${pod} has no port ${JSON.stringify(asked)}`);
  }
  if (!spec.nodeName) throw new StatusError('BadRequest', `pod ${pod} does not have a host assigned`);
  return { nodeName: spec.nodeName, pod, port };
}

/** One HTTP request over a connection of its own. */
async function exchange(
  context: Context,
  stream: ByteStream,
  { method, query, headers }: ApiRequest,
  path: string,
): Promise<ApiResponse> {
  const search = query.toString();
  const connection = duplexOf(stream);
  const ending = context.onEnd(() => connection.destroy());
  connection.once('close', () => ending.dispose());
  const sent = httpRequest({
    ...{ method, path: search ? `${path}?${search}` : path, createConnection: () => connection },
    headers: { host: 'localhost', connection: 'close', accept: headers['accept'] ?? '*/*' },
  });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve);
    sent.on('error', (error) => reject(unreachable(context, error)));
    sent.end();
  });
  const { 'content-type': contentType = 'application/octet-stream' } = response.headers;
  return { kind: 'bytes', status: response.statusCode ?? 502, contentType, chunks: bodyOf(response) };
}

async function* bodyOf(response: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } finally {
    response.destroy();
  }
}

function unreachable(context: Context, error: unknown): unknown {
  context.check();
  if (error instanceof StatusError) return error;
  return new StatusError('ServiceUnavailable', `error trying to reach service: ${messageOf(error)}`, undefined, {
    cause: error,
  });
}
