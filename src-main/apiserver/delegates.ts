import type { Context } from '#base/context';
import type { KubeObject } from '#api/machinery/object';
import type { AdmissionPlugin } from './admission/admission.ts';
import type { Attributes, Decision } from './auth/authorizer.ts';
import type { RequestInfo } from './http/request-info.ts';
import type { ApiRequest, ApiResponse } from './request.ts';

/** Reads the server's own watch caches: what authorizers and token checks need, without a request. Everything is frozen. */
export interface CachedObjects {
  /** `resource` and `group` as in a URL: `clusterroles`, `rbac.authorization.k8s.io`. Empty when the server is down. */
  list(group: string, resource: string, namespace?: string): readonly KubeObject[];
  get(group: string, resource: string, namespace: string, name: string): KubeObject | undefined;
}

/** Answers one request; undefined means: not mine, answer 404. */
export type RequestHandler = (
  context: Context,
  request: ApiRequest,
  info: RequestInfo,
) => Promise<ApiResponse | undefined> | ApiResponse | undefined;

/**
 * What the API server's core leaves to others: who may do what, the answers that are computed rather than stored, and bytes
 * that flow. Made by a function of {@link CachedObjects}, because authorizers read what the core stores.
 */
export interface ApiServerDelegates {
  readonly authorizer: { authorize(context: Context, attributes: Attributes): Promise<Decision> | Decision };
  /** Admission checks that need an authorizer; they run after the server's own. */
  readonly admission: readonly AdmissionPlugin[];
  /** Discovery, OpenAPI, version, health, metrics: paths that name no resource. The request is already authorised. */
  readonly nonResource: RequestHandler;
  /** Resources without storage: SubjectAccessReview and its kin, TokenReview, SelfSubjectReview. Answers the filled object. */
  readonly reviews: { create(context: Context, request: ApiRequest, object: KubeObject): Promise<KubeObject> };
  /** `serviceaccounts/token`: answers the TokenRequest with its status. Throws StatusError. */
  readonly tokens: {
    issue(context: Context, serviceAccount: KubeObject, tokenRequest: KubeObject): Promise<KubeObject>;
  };
  /** `pods/log`, `exec`, `attach`, `portforward`, `proxy` of pods, services and nodes; `object` is what the URL names. */
  readonly streams: {
    handle(context: Context, request: ApiRequest, info: RequestInfo, object: KubeObject): Promise<ApiResponse>;
  };
}
