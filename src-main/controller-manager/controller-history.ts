import type { ControllerRevision, LabelSelector, ObjectMeta, PodTemplateSpec } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { InvariantError } from '#base/errors';
import type { InformerFactory, KubeClient, ResourceClient } from '#client/client';
import { controllerReference, isControlledBy } from '#client/owner-references';
import { controllerRevisions } from '#client/resources';
import { claim } from './controller-ref-manager.ts';
import type { Syncable } from './controller.ts';
import { OwnedIndex } from './owned-index.ts';
import { byCreation } from './pod-status.ts';
import { allAtOnce } from './slow-start.ts';
import { computeHash, semanticEqual } from './template-hash.ts';

/** A kind whose history is kept in ControllerRevisions. */
export type Versioned = KubeObject & {
  readonly spec: { readonly selector: LabelSelector; readonly template: PodTemplateSpec };
};

export interface RevisionRequest<Owner extends Versioned> {
  readonly owner: Owner;
  readonly owners: ResourceClient<Owner>;
  /** `status.collisionCount`. */
  readonly collisions: number | undefined;
  /** The label on the ControllerRevision that holds the hash of its content. */
  readonly hashLabel: string;
}

export interface RevisionResult {
  /** Oldest first. */
  readonly revisions: readonly ControllerRevision[];
  /** The one with the owner's template. */
  readonly update: ControllerRevision;
  /** Grows when two templates met in one name. */
  readonly collisions: number | undefined;
}

/**
 * The past templates of StatefulSets and DaemonSets (kubernetes/pkg/controller/history, release 1.36). What is stored is
 * a patch that brings a template back, in the form that `kubectl rollout undo` sends:
 *
 *   {"spec": {"template": {"$patch": "replace", "metadata": ..., "spec": ...}}}
 */
export class ControllerHistory {
  readonly #client: ResourceClient<ControllerRevision>;
  readonly #owned: OwnedIndex<ControllerRevision>;
  readonly cache: Syncable;

  constructor(client: KubeClient, informers: InformerFactory) {
    this.#client = client.resource<ControllerRevision>(controllerRevisions);
    const informer = informers.informer<ControllerRevision>(controllerRevisions);
    this.#owned = new OwnedIndex(informer);
    this.cache = informer;
  }

  /** Finds the revision of the owner's template; makes it, or moves an old one with the same content to the front. */
  async sync<Owner extends Versioned>(context: Context, request: RevisionRequest<Owner>): Promise<RevisionResult> {
    const { owner, owners } = request;
    const claimed = await claim(context, {
      owner,
      owners,
      selector: owner.spec.selector,
      owned: this.#owned,
      resource: this.#client,
    });
    const revisions = [...claimed].sort((a, b) => a.revision - b.revision || byCreation(a, b));
    const data = templatePatch(owner.spec.template);
    const newest = revisions.at(-1);
    const next = (newest?.revision ?? 0) + 1;
    const equal = revisions.filter((revision) => semanticEqual(revision.data, data)).at(-1);
    if (!equal) return this.#create(context, request, revisions, data, next);
    if (equal === newest) return { revisions, update: equal, collisions: request.collisions };
    const update = await this.#client.update(context, { ...equal, revision: next });
    const others = revisions.filter((revision) => revision !== equal);
    return { revisions: [...others, update], update, collisions: request.collisions };
  }

  async #create<Owner extends Versioned>(
    context: Context,
    { owner, collisions, hashLabel }: RevisionRequest<Owner>,
    revisions: readonly ControllerRevision[],
    data: unknown,
    revision: number,
  ): Promise<RevisionResult> {
    for (let count = collisions; ; count = (count ?? 0) + 1) {
      const draft = newRevision(owner, data, revision, computeHash(data, count), hashLabel);
      const update = await this.#createOrFind(context, owner, draft);
      if (update) return { revisions: [...revisions, update], update, collisions: count };
    }
  }

  /** Undefined when the name belongs to other content. */
  async #createOrFind(
    context: Context,
    owner: KubeObject,
    draft: ControllerRevision,
  ): Promise<ControllerRevision | undefined> {
    try {
      return await this.#client.create(context, draft);
    } catch (error) {
      if (!isStatus(error, 'AlreadyExists')) throw error;
      const { namespace = '', name = '' } = draft.metadata;
      const taken = await this.#client.get(context, namespace, name);
      return isControlledBy(taken, owner) && semanticEqual(taken.data, draft.data) ? taken : undefined;
    }
  }

  /** Deletes the oldest revisions that are not in `live`, until `limit` of those are left. */
  async truncate(
    context: Context,
    revisions: readonly ControllerRevision[],
    live: ReadonlySet<string>,
    limit: number,
  ): Promise<void> {
    const idle = revisions.filter(({ metadata }) => !live.has(metadata.name ?? ''));
    await allAtOnce(idle.slice(0, Math.max(0, idle.length - limit)), async ({ metadata }) => {
      try {
        await this.#client.delete(context, metadata.namespace ?? '', metadata.name ?? '');
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error;
      }
    });
  }
}

function newRevision(
  owner: Versioned,
  data: unknown,
  revision: number,
  hash: string,
  hashLabel: string,
): ControllerRevision {
  const { name = '', namespace = '', annotations } = owner.metadata;
  const metadata: ObjectMeta = {
    name: `${name}-${hash}`,
    namespace,
    labels: { ...owner.spec.template.metadata?.labels, [hashLabel]: hash },
    ...(annotations ? { annotations } : {}),
    ownerReferences: [controllerReference(owner)],
  };
  return { apiVersion: 'apps/v1', kind: 'ControllerRevision', metadata, data, revision };
}

function templatePatch(template: PodTemplateSpec): unknown {
  return { spec: { template: { ...template, $patch: 'replace' } } };
}

/** The template a revision stands for. Throws when somebody else wrote something else into it. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const data = revision.data as
    { readonly spec?: { readonly template?: PodTemplateSpec & { $patch?: string } } } | undefined;
  if (!data?.spec?.template) {
    throw new InvariantError(`ControllerRevision ${revision.metadata.name ?? ''} holds no template in its data`);
  }
  const { $patch: _directive, ...template } = data.spec.template;
  return template;
}
