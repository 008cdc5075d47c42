import type { Context } from '#base/context';
import type { KubeObject } from '#api/machinery/object';
import type { ServedResource } from '../registry/served-resource.ts';
import type { UserInfo } from '../request.ts';

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE';

/** What an admission plugin is asked (`admission.Attributes` of k8s.io/apiserver, release 1.36). */
export interface AdmissionRequest {
  readonly context: Context;
  readonly operation: AdmissionOperation;
  readonly user: UserInfo;
  readonly served: ServedResource;
  /** Empty for the object itself. */
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** The object as it would be stored; for DELETE the one that is there. */
  readonly object: KubeObject;
  /** The stored version, for UPDATE. */
  readonly old: KubeObject | undefined;
}

/** Throwing StatusError (Forbidden, mostly) turns the request down. */
export interface AdmissionPlugin {
  readonly name: string;
  /** Answers the object to go on with: the same, or a changed one. */
  readonly admit?: (request: AdmissionRequest) => KubeObject | Promise<KubeObject>;
  readonly validate?: (request: AdmissionRequest) => void | Promise<void>;
}

/** Plugins in their order: all `admit` first, then, on what came out, all `validate`. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  async admit(request: AdmissionRequest): Promise<KubeObject> {
    let { object } = request;
    for (const plugin of this.#plugins) {
      if (!plugin.admit) continue;
      const answer = plugin.admit({ ...request, object });
      object = answer instanceof Promise ? await answer : answer;
    }
    return object;
  }

  async validate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#plugins) await plugin.validate?.(request);
  }
}
