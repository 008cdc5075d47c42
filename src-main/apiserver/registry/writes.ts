import type { KubeObject } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Strategy, SubresourceUpdate } from '#api/resources/definition';
import { invalid, invalidError, type FieldError } from '#api/validation/errors';
import type { Clock } from '#base/clock';
import { deepFreeze, jsonEqual } from '#base/freeze';
import type { Random } from '#base/random';
import type { AdmissionChain, AdmissionRequest } from '../admission/admission.ts';
import { generateNameConflict, modified } from '../storage/errors.ts';
import {
  checkPreconditions,
  GuardLostError,
  type Change,
  type ObjectStore,
  type Preconditions,
} from '../storage/object-store.ts';
import { keptMetadata, matchNamespace, needsGeneratedName, newMetadata, withGeneratedName } from './metadata-rules.ts';
import type { FieldWriter, ObjectEditor } from './patching.ts';
import { reserve, type GuardedReservation, type ResourceHooks } from './resource-hooks.ts';
import { originOf, type RequestScope } from './scope.ts';
import { isNamespaceFinished } from './namespace-rules.ts';

export interface CreateOptions {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  /** managedFields are already in the object (apply). */
  readonly tracked?: boolean;
}

export interface UpdateOptions extends CreateOptions {
  /** Written through `status` or its like: the main fields stay; the other way round without. */
  readonly status: boolean;
  readonly preconditions?: Preconditions | undefined;
}

/** Makes the next version of the stored one; called again when somebody else was faster. */
export type NextVersion = (current: KubeObject) => KubeObject | Promise<KubeObject>;

export interface WritesOptions {
  readonly store: ObjectStore;
  readonly admission: AdmissionChain;
  readonly editor: ObjectEditor;
  /** By plural. */
  readonly hooks: ReadonlyMap<string, ResourceHooks>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Tries to find a free generated name, as upstream does. */
const generateNameTries = 8;

/**
 * create and update of stored resources (upstream: `genericregistry.Store`, release 1.36). Order of a creation: names,
 * admission that changes, what the server sets, managedFields, validation, admission that only looks, allocation, storage.
 */
export class Writes {
  readonly #options: WritesOptions;

  constructor(options: WritesOptions) {
    this.#options = options;
  }

  /** `object` is decoded and defaulted. */
  async create(scope: RequestScope, object: KubeObject, options: CreateOptions): Promise<KubeObject> {
    const located = matchNamespace(scope.served, object, scope.info.namespace);
    if (!needsGeneratedName(located)) return this.#createNamed(scope, located, options);
    for (let tries = 1; ; tries++) {
      const named = withGeneratedName(located, this.#options.random);
      try {
        return await this.#createNamed(scope, named, options);
      } catch (error) {
        if (!isStatus(error, 'AlreadyExists')) throw error;
        if (tries === generateNameTries) throw generateNameConflict(scope.served, named.metadata.name ?? '');
      }
    }
  }

  async #createNamed(scope: RequestScope, object: KubeObject, options: CreateOptions): Promise<KubeObject> {
    const { admission, clock, random } = this.#options;
    const { served } = scope;
    const name = object.metadata.name ?? '';
    const ask = admissionRequest(scope, 'CREATE', name, object, undefined);
    const admitted = await admission.admit(ask);
    const { strategy } = served.definition;
    const prepared = strategy.prepareForCreate(newMetadata(admitted, clock.now(), random));
    requireValid(scope, name, strategy.validate(prepared));
    const tracked = options.tracked ? prepared : this.#track(scope, prepared, undefined, options);
    await admission.validate({ ...ask, object: tracked });
    return this.#store(scope, name, tracked, options.dryRun);
  }

  /** Stores a new object with what its kind has to take for it, again when another API server gave something out meanwhile. */
  async #store(scope: RequestScope, name: string, object: KubeObject, dryRun: boolean): Promise<KubeObject> {
    const { store, hooks } = this.#options;
    const { context, served } = scope;
    const hook = hooks.get(served.resource);
    for (;;) {
      const reservation = hook && (await reserve(context, hook, dryRun, () => hook.beginCreate(object)));
      const final = deepFreeze(served.toStored(reservation?.object ?? object));
      try {
        const guard = reservation?.guard;
        const stored = await store.create(context, served, final, { origin: originOf(scope, name), dryRun, guard });
        settle(reservation, stored, dryRun);
        return served.fromStored(stored);
      } catch (error) {
        reservation?.revert();
        if (!(error instanceof GuardLostError) || !reservation?.guard) throw error;
        hook?.ownership.lost(reservation.guard);
      }
    }
  }

  /** Reads, changes and stores until nobody else was faster. Throws NotFound. */
  async update(scope: RequestScope, options: UpdateOptions, next: NextVersion): Promise<KubeObject> {
    const { store, hooks } = this.#options;
    const { context, served, info } = scope;
    const hook = hooks.get(served.resource);
    const suggestion = served.cache?.peek(info.namespace, info.name);
    let reservation: GuardedReservation | undefined;
    try {
      const { object } = await store.update(
        context,
        served,
        info.namespace,
        info.name,
        { origin: originOf(scope), dryRun: options.dryRun, preconditions: options.preconditions, suggestion },
        async (stored): Promise<Change> => {
          reservation?.revert();
          // Asked again: the object or the guard has changed, and which of them nobody says.
          if (reservation?.guard) hook?.ownership.lost(reservation.guard);
          reservation = undefined;
          const current = served.fromStored(stored);
          const wanted = await this.#nextVersion(scope, current, await next(current), options);
          if (wanted === current) return { next: stored };
          if (isFinished(wanted)) return { remove: true };
          if (hook && !options.status)
            reservation = await reserve(context, hook, options.dryRun, () => hook.beginUpdate(wanted, current));
          return { next: deepFreeze(served.toStored(reservation?.object ?? wanted)), guard: reservation?.guard };
        },
      );
      settle(reservation, object, options.dryRun);
      return served.fromStored(object);
    } catch (error) {
      reservation?.revert();
      throw error;
    }
  }

  /** The version to store; `current` itself when nothing changes. */
  async #nextVersion(
    scope: RequestScope,
    current: KubeObject,
    wanted: KubeObject,
    options: UpdateOptions,
  ): Promise<KubeObject> {
    const { admission, hooks } = this.#options;
    const { served, info } = scope;
    const { strategy } = served.definition;
    checkVersion(scope, current, wanted);
    const kept = strategy.applyDefaults(keptMetadata(wanted, current));
    const defaulted = options.status ? kept : (hooks.get(served.resource)?.adopt(kept, current) ?? kept);
    const ask = admissionRequest(scope, 'UPDATE', info.name, defaulted, current);
    const admitted = await admission.admit(ask);
    const rules = updateRules(strategy, options.status ? info.subresource : '');
    const prepared = rules.prepare(admitted, current);
    requireValid(scope, info.name, rules.validate(prepared, current));
    await admission.validate({ ...ask, object: prepared });
    if (isUnchanged(prepared, current, options.tracked ?? false)) return current;
    return options.tracked ? prepared : this.#track(scope, prepared, current, options);
  }

  #track(scope: RequestScope, next: KubeObject, old: KubeObject | undefined, options: CreateOptions): KubeObject {
    const { editor, clock } = this.#options;
    const writer: FieldWriter = {
      manager: options.fieldManager,
      subresource: scope.info.subresource,
      nowMs: clock.now(),
    };
    return editor.track(scope.served, next, old, writer);
  }
}

/** What was taken stays taken when the object that holds it is stored. */
function settle(reservation: GuardedReservation | undefined, stored: KubeObject, dryRun: boolean): void {
  if (dryRun) reservation?.revert();
  else reservation?.commit(Number(stored.metadata.resourceVersion));
}

/** By what rules a write changes the stored object: as a whole, its status, or a part with rules of its own. */
function updateRules(strategy: Strategy, subresource: string): SubresourceUpdate {
  if (subresource === '') return { prepare: strategy.prepareForUpdate, validate: strategy.validateUpdate };
  const status = { prepare: strategy.prepareForStatusUpdate, validate: strategy.validateStatusUpdate };
  return strategy.subresourceUpdates[subresource] ?? status;
}

function admissionRequest(
  scope: RequestScope,
  operation: AdmissionRequest['operation'],
  name: string,
  object: KubeObject,
  old: KubeObject | undefined,
): AdmissionRequest {
  const { context, request, served, info } = scope;
  const { subresource } = info;
  const namespace = served.namespaced ? info.namespace : '';
  return { context, operation, user: request.user, served, subresource, namespace, name, object, old };
}

function requireValid({ served }: RequestScope, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalidError(served, name, errors);
}

/** Optimistic concurrency: what the writer says it has seen must be what is there. */
function checkVersion({ served, info }: RequestScope, current: KubeObject, wanted: KubeObject): void {
  const { resourceVersion = '', uid } = wanted.metadata;
  if (uid) checkPreconditions(served, info.name, current, { uid });
  if (resourceVersion === '') {
    if (served.definition.strategy.allowUnconditionalUpdate) return;
    const error = invalid('metadata.resourceVersion', 0, 'must be specified for an update');
    throw invalidError(served, info.name, [{ ...error, value: 0 }]);
  }
  if (resourceVersion !== current.metadata.resourceVersion) throw modified(served, info.name);
}

/** An object on its way out that nothing holds any more goes with the update that let go of it. */
function isFinished(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  if (deletionTimestamp === undefined || finalizers.length > 0) return false;
  if (object.kind === 'Namespace') return isNamespaceFinished(object);
  return deletionGracePeriodSeconds === 0;
}

/** Whether a write would change nothing; who manages which field counts only for apply. */
function isUnchanged(next: KubeObject, current: KubeObject, withManagedFields: boolean): boolean {
  if (withManagedFields) return jsonEqual(next, current);
  const metadata = { ...next.metadata, managedFields: current.metadata.managedFields };
  return jsonEqual({ ...next, metadata }, current);
}
