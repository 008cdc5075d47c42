import type { CertificateSigningRequest } from '#api/gen/types';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { KubeClient, ResourceClient } from '../client.ts';
import { certificateSigningRequests } from '../resources.ts';

export interface SigningOptions {
  /** PEM. */
  readonly request: string;
  readonly signerName: string;
  readonly usages: readonly string[];
}

/** How long an approver has, before a request is given up and made anew (upstream waits as long). */
const patienceMs = 15 * 60_000;
/** A request is looked at again this often: an approver answers within a second, and there is one request a node. */
const lookMs = 200;

/** The cluster will not sign: asking again the same way is of no use for a while. */
export class RequestDeniedError extends Error {
  override readonly name = 'RequestDeniedError';
}

/**
 * Asks the cluster for a certificate and waits until it is approved and issued (client-go `util/certificate/csr`, release
 * 1.36). Returns PEM. Throws {@link RequestDeniedError}, StatusError, or CancelledError when it took too long.
 */
export async function requestCertificate(
  context: Context,
  client: KubeClient,
  clock: Clock,
  options: SigningOptions,
): Promise<string> {
  const requests = client.resource<CertificateSigningRequest>(certificateSigningRequests);
  const created = await requests.create(context, {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { generateName: 'csr-' },
    spec: { ...options, request: Buffer.from(options.request).toString('base64') },
  });
  const { context: limited, cancel } = context.withTimeout(clock, patienceMs);
  try {
    return await waitForCertificate(limited, requests, clock, created);
  } finally {
    cancel();
  }
}

async function waitForCertificate(
  context: Context,
  requests: ResourceClient<CertificateSigningRequest>,
  clock: Clock,
  created: CertificateSigningRequest,
): Promise<string> {
  const name = created.metadata.name ?? '';
  for (let found = created; ; found = await requests.get(context, '', name)) {
    const { conditions = [], certificate } = found.status ?? {};
    const bad = conditions.find(({ type }) => type === 'Denied' || type === 'Failed');
    if (bad) throw new RequestDeniedError(`${name} is ${bad.type}: ${bad.reason ?? ''} ${bad.message ?? ''}`.trim());
    if (certificate) return Buffer.from(certificate, 'base64').toString('utf8');
    await clock.sleep(context, lookMs);
  }
}
