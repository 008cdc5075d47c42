import { X509Certificate } from 'node:crypto';
import type { CertificateSigningRequest } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Informer, Reconciler } from '#client/client';
import { certificateSigningRequests } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { requestLoop } from './request-loop.ts';
import { conditionOf } from './request-state.ts';

const hourMs = 3_600_000;
/** An issued, denied or failed request is kept for an hour, one that nobody decided for a day. */
const decidedMs = hourMs;
const pendingMs = 24 * hourMs;

/** Removes signing requests that are done with (kube-controller-manager `csrcleaner`, release 1.36). */
export class CertificateCleanerController implements Controller {
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #requests: Informer<CertificateSigningRequest>;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#clock = options.clock;
    const loop = requestLoop(options, 'csrcleaner', 1, (context, name) => this.#sync(context, name));
    this.#requests = loop.requests;
    this.#reconciler = loop.reconciler;
    this.#life = new ControllerLife([loop.requests], [loop.reconciler], [loop.handler]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  /** Sleeps until the request is due instead of looking at all of them every hour. */
  async #sync(context: Context, name: string): Promise<void> {
    const request = this.#requests.lister.get(name);
    if (!request) return;
    const leftMs = removalMs(request) - this.#clock.now();
    if (leftMs > 0) {
      if (leftMs < Infinity) this.#reconciler.enqueueAfter(name, Math.min(leftMs, pendingMs));
      return;
    }
    const requests = this.#options.client.resource<CertificateSigningRequest>(certificateSigningRequests);
    try {
      const { uid } = request.metadata;
      await requests.delete(context, '', name, uid === undefined ? {} : { preconditions: { uid } });
    } catch (error) {
      if (!isStatus(error, 'NotFound', 'Conflict')) throw error;
    }
  }
}

/** When `request` is to go, in milliseconds since the epoch; Infinity when it is approved and waits for its signer. */
export function removalMs(request: CertificateSigningRequest): number {
  const { status, metadata } = request;
  const after = (time: string | undefined, ms: number): number => (time ? Date.parse(time) + ms : Infinity);
  const denied = after(conditionOf(request, 'Denied')?.lastUpdateTime, decidedMs);
  const failed = after(conditionOf(request, 'Failed')?.lastUpdateTime, decidedMs);
  const approved = conditionOf(request, 'Approved');
  const issued = approved && status?.certificate ? after(approved.lastUpdateTime, decidedMs) : Infinity;
  const expired = approved && status?.certificate ? expiryMs(status.certificate) : Infinity;
  const undecided = (status?.conditions ?? []).length === 0 ? after(metadata.creationTimestamp, pendingMs) : Infinity;
  return Math.min(denied, failed, issued, expired, undecided);
}

/** The end of a certificate that a signer wrote: it may be anybody's, so it may be no certificate. */
function expiryMs(certificate: string): number {
  try {
    return Date.parse(new X509Certificate(Buffer.from(certificate, 'base64')).validTo);
  } catch {
    return Infinity;
  }
}
