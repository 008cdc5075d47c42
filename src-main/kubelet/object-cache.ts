import type { ConfigMap, Secret } from '#api/gen/types';
import type { GroupVersionResource, KubeObject } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Informer, InformerFactory, KubeClient } from '#client/client';
import { configMaps, secrets } from '#client/resources';

/** The ConfigMaps and Secrets that pods of this node use: read once, then watched one by one, as upstream does. */
export class ObjectCache {
  readonly #client: KubeClient;
  readonly #informers: InformerFactory;
  readonly #context: Context;
  readonly #changed: (kind: 'ConfigMap' | 'Secret', namespace: string, name: string) => void;
  readonly #watched = new Map<string, Informer<KubeObject>>();

  constructor(
    context: Context,
    client: KubeClient,
    informers: InformerFactory,
    changed: (kind: 'ConfigMap' | 'Secret', namespace: string, name: string) => void,
  ) {
    this.#context = context;
    this.#client = client;
    this.#informers = informers;
    this.#changed = changed;
  }

  /** Undefined when there is none. Throws StatusError when the server cannot say. */
  configMap(context: Context, namespace: string, name: string): Promise<ConfigMap | undefined> {
    return this.#get<ConfigMap>(context, 'ConfigMap', configMaps, namespace, name);
  }

  secret(context: Context, namespace: string, name: string): Promise<Secret | undefined> {
    return this.#get<Secret>(context, 'Secret', secrets, namespace, name);
  }

  async #get<T extends KubeObject>(
    context: Context,
    kind: 'ConfigMap' | 'Secret',
    resource: GroupVersionResource,
    namespace: string,
    name: string,
  ): Promise<T | undefined> {
    const informer = this.#watch<T>(kind, resource, namespace, name);
    await informer.waitForSync(context);
    const held = informer.lister.get(`${namespace}/${name}`);
    if (held) return held;
    try {
      return await this.#client.resource<T>(resource).get(context, namespace, name);
    } catch (error) {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #watch<T extends KubeObject>(
    kind: 'ConfigMap' | 'Secret',
    resource: GroupVersionResource,
    namespace: string,
    name: string,
  ): Informer<T> {
    const informer = this.#informers.informer<T>(resource, { namespace, fieldSelector: `metadata.name=${name}` });
    const key = `${kind}/${namespace}/${name}`;
    if (!this.#watched.has(key)) {
      this.#watched.set(key, informer as unknown as Informer<KubeObject>);
      const tell = (): void => this.#changed(kind, namespace, name);
      informer.addHandler({
        onAdd: tell,
        onUpdate: (before, after) => {
          if (before.metadata.resourceVersion !== after.metadata.resourceVersion) tell();
        },
        onDelete: tell,
      });
      this.#informers.start(this.#context);
    }
    return informer;
  }
}
