import type { Job } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Informer, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { jobs } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';

/** Deletes finished Jobs after `ttlSecondsAfterFinished` (kube-controller-manager `ttlafterfinished`, release 1.36). */
export class TtlAfterFinishedController implements Controller {
  readonly #options: ControllerOptions;
  readonly #jobs: Informer<Job>;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#jobs = options.informers.informer<Job>(jobs);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'ttl-after-finished', workers: 5, sync });
    const enqueue = (job: Job): void => {
      if (expiryMs(job) !== undefined) this.#reconciler.enqueue(objectKey(job), job.metadata.resourceVersion);
    };
    const handler = this.#jobs.addHandler({ onAdd: enqueue, onUpdate: (_before, job) => enqueue(job) });
    this.#life = new ControllerLife([this.#jobs], [this.#reconciler], [handler]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  async #sync(context: Context, key: string): Promise<void> {
    const job = this.#jobs.lister.get(key);
    const dueMs = job && expiryMs(job);
    if (!job || dueMs === undefined) return;
    const leftMs = dueMs - this.#options.clock.now();
    if (leftMs > 0) {
      this.#reconciler.enqueueAfter(key, leftMs, job.metadata.resourceVersion);
      return;
    }
    const { namespace = '', name = '', uid, resourceVersion } = job.metadata;
    const preconditions = { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) };
    try {
      const client = this.#options.client.resource<Job>(jobs);
      await client.delete(context, namespace, name, { propagationPolicy: 'Foreground', preconditions });
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }
}

/** When the Job is to go, in milliseconds since the epoch; undefined when it is not finished, staying, or going already. */
function expiryMs(job: Job): number | undefined {
  const { ttlSecondsAfterFinished } = job.spec;
  if (ttlSecondsAfterFinished === undefined || job.metadata.deletionTimestamp) return undefined;
  const finished = job.status?.conditions?.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
  if (!finished?.lastTransitionTime) return undefined;
  return Date.parse(finished.lastTransitionTime) + ttlSecondsAfterFinished * 1000;
}
