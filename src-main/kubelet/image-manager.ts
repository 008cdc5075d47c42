import type { Container, Pod } from '#api/gen/types';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { CriError, type ImageService, type RegistryAuth } from '#cri/cri';
import { KeyedBackOff } from './back-off.ts';
import type { WaitingReason } from './container-statuses.ts';
import type { PodEvents } from './events.ts';
import type { ObjectCache } from './object-cache.ts';
import { timings } from './options.ts';
import { uidOf } from './pod-facts.ts';
import { credentialsFor } from './registry-credentials.ts';

/** A container cannot run yet. `retryMs` says when to look again; undefined leaves it to the next change. */
export class NotYetError extends Error {
  override readonly name = 'NotYetError';
  readonly waiting: WaitingReason;
  readonly retryMs: number | undefined;
  constructor(waiting: WaitingReason, retryMs?: number) {
    super(waiting.message ?? waiting.reason);
    this.waiting = waiting;
    this.retryMs = retryMs;
  }
}

/** How soon after a failed pull the back-off shows, in milliseconds. */
const showBackOffMs = 3_000;

/** gRPC's words around an error, which the kubelet leaves out for code Unknown. */
export function runtimeErrorText(error: unknown): string {
  if (error instanceof CriError && error.code !== 'Unknown') {
    return `rpc error: code = ${error.code} desc = ${error.message}`;
  }
  return messageOf(error);
}

/** Makes images present by pull policy, with back-off (pkg/kubelet/images, release 1.36). */
export class ImageManager {
  readonly #images: ImageService;
  readonly #events: PodEvents;
  readonly #clock: Clock;
  readonly #objects: Pick<ObjectCache, 'secret'>;
  readonly #backOff: KeyedBackOff;
  readonly #lastError = new Map<string, { readonly message: string; readonly atMs: number }>();
  readonly #backOffShown = new Map<string, number>();

  constructor(images: ImageService, events: PodEvents, clock: Clock, objects: Pick<ObjectCache, 'secret'>) {
    this.#objects = objects;
    this.#images = images;
    this.#events = events;
    this.#clock = clock;
    this.#backOff = new KeyedBackOff(clock, timings.backoffInitialMs, timings.backoffMaxMs);
  }

  /** Throws {@link NotYetError} with the reason to show. */
  async ensure(context: Context, pod: Pod, container: Container): Promise<void> {
    const image = container.image ?? '';
    const policy =
      container.imagePullPolicy ?? (/:(?!latest$)[\w.-]+$|@sha256:/.test(image) ? 'IfNotPresent' : 'Always');
    if (!/^[^\sA-Z]+(?::[\w][\w.-]{0,127})?(?:@sha256:[a-f0-9]{64})?$/.test(image)) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
      this.#events.invalidImage(pod, container, message);
      this.#events.failed(pod, container, 'InvalidImageName');
      throw new NotYetError({ reason: 'InvalidImageName', message }, timings.resyncMs);
    }
    const present = await this.#images.imageStatus(context, image);
    if (present && policy !== 'Always') return this.#events.present(pod, container);
    if (policy === 'Never') return this.#neverPulled(pod, container);
    await this.#pull(context, pod, container, image);
  }

  forget(podUid: string): void {
    this.#backOff.forget(`${podUid}/`);
    for (const key of this.#lastError.keys()) {
      if (!key.startsWith(`${podUid}/`)) continue;
      this.#lastError.delete(key);
      this.#backOffShown.delete(key);
    }
  }

  #neverPulled(pod: Pod, container: Container): never {
    this.#events.neverPull(pod, container);
    this.#events.failed(pod, container, 'ErrImageNeverPull');
    const message = `Container image "${container.image ?? ''}" is not present with pull policy of Never`;
    throw new NotYetError({ reason: 'ErrImageNeverPull', message }, timings.resyncMs);
  }

  /** A failed pull shows as ErrImagePull for a moment, then as the back-off. */
  #inBackOff(pod: Pod, container: Container, key: string, leftMs: number): never {
    const nowMs = this.#clock.now();
    const { message = '', atMs = 0 } = this.#lastError.get(key) ?? {};
    const shownMs = nowMs - atMs;
    if (shownMs < showBackOffMs) throw new NotYetError({ reason: 'ErrImagePull', message }, showBackOffMs - shownMs);
    if (this.#backOffShown.get(key) !== atMs) {
      this.#backOffShown.set(key, atMs);
      this.#events.pullBackOff(pod, container);
      this.#events.failed(pod, container, 'ImagePullBackOff');
    }
    const text = `Back-off pulling image "${container.image ?? ''}": ErrImagePull: ${message}`;
    throw new NotYetError({ reason: 'ImagePullBackOff', message: text }, leftMs);
  }

  async #pull(context: Context, pod: Pod, container: Container, image: string): Promise<void> {
    const key = `${uidOf(pod)}/${image}`;
    const leftMs = this.#backOff.remainingSinceLast(key);
    if (leftMs > 0) this.#inBackOff(pod, container, key, leftMs);
    this.#events.pulling(pod, container);
    const startedMs = this.#clock.now();
    try {
      await this.#pullWith(context, image, await this.#credentials(context, pod, image));
    } catch (error) {
      context.check();
      const message = runtimeErrorText(error);
      this.#backOff.next(key, this.#clock.now());
      this.#lastError.set(key, { message, atMs: this.#clock.now() });
      this.#events.pullFailed(pod, container, message);
      this.#events.failed(pod, container, 'ErrImagePull');
      throw new NotYetError({ reason: 'ErrImagePull', message }, showBackOffMs);
    }
    const tookMs = this.#clock.now() - startedMs;
    const pulled = await this.#images.imageStatus(context, image);
    this.#events.pulled(pod, container, tookMs, tookMs, pulled?.sizeBytes ?? 0);
  }

  /** With each credential that fits, the most particular first; without any when there is none. */
  async #pullWith(context: Context, image: string, [first, ...rest]: readonly RegistryAuth[]): Promise<void> {
    try {
      await this.#images.pullImage(context, image, first);
    } catch (error) {
      context.check();
      if (rest.length === 0) throw error;
      await this.#pullWith(context, image, rest);
    }
  }

  /** Secrets that are not there are left out, as upstream does: the pull itself says what is missing. */
  async #credentials(context: Context, pod: Pod, image: string): Promise<readonly RegistryAuth[]> {
    const secrets = await Promise.all(
      (pod.spec.imagePullSecrets ?? []).map(({ name = '' }) =>
        this.#objects.secret(context, pod.metadata.namespace ?? '', name),
      ),
    );
    return credentialsFor(
      image,
      secrets.flatMap((secret) => (secret ? [secret] : [])),
    );
  }
}
