import type { Context } from '#base/context';
import type { RequestInfo } from '../http/request-info.ts';
import type { ApiRequest } from '../request.ts';
import type { WriteOrigin } from '../storage/write-recorder.ts';
import type { ServedResource } from './served-resource.ts';

/** One request on its way through the registry. */
export interface RequestScope {
  readonly context: Context;
  readonly request: ApiRequest;
  readonly info: RequestInfo;
  readonly served: ServedResource;
}

/** Who asked, and how it is written down beside what they wrote: `patch deployments/scale default/web`. */
export function originOf({ request, info, served }: RequestScope, name = info.name): WriteOrigin {
  const what = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
  const where = [served.namespaced ? info.namespace : '', name].filter(Boolean).join('/');
  return {
    user: request.user.name,
    userAgent: request.headers['user-agent'] ?? '',
    request: `${info.verb} ${what}${where ? ` ${where}` : ''}`,
    cause: request.cause,
  };
}
