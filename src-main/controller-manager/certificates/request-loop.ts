import type { CertificateSigningRequest } from '#api/gen/types';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import type { Informer, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { certificateSigningRequests } from '#client/resources';
import type { ControllerOptions } from '../controller.ts';

export interface RequestLoop {
  readonly requests: Informer<CertificateSigningRequest>;
  readonly reconciler: Reconciler;
  readonly handler: Disposable;
}

/** What the controllers of signing requests have in common: each request is synced by its name whenever it changes. */
export function requestLoop(
  options: ControllerOptions,
  name: string,
  workers: number,
  sync: (context: Context, name: string) => Promise<void>,
): RequestLoop {
  const requests = options.informers.informer<CertificateSigningRequest>(certificateSigningRequests);
  const reconciler = createReconciler({ ...options, name, workers, sync });
  const enqueue = ({ metadata }: CertificateSigningRequest): void =>
    reconciler.enqueue(metadata.name ?? '', metadata.resourceVersion);
  const handler = requests.addHandler({ onAdd: enqueue, onUpdate: (_before, request) => enqueue(request) });
  return { requests, reconciler, handler };
}
