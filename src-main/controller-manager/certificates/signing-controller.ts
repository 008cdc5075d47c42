import type { CertificateSigningRequest } from '#api/gen/types';
import { parseCertificateRequest, type RequestedCertificate } from '#api/certificates/certificate-request';
import * as signers from '#api/certificates/signers';
import type { Context } from '#base/context';
import type { Informer } from '#client/client';
import { certificateSigningRequests } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { requestLoop } from './request-loop.ts';
import { conditionOf, withCondition } from './request-state.ts';
import { signCertificate, type SigningAuthority } from './signing.ts';

export interface CertificateSigningOptions extends ControllerOptions {
  readonly signing: SigningAuthority;
}

type Check = (asked: RequestedCertificate, usages: readonly string[]) => string | undefined;

/** What each of the cluster's signers signs. */
const checks: Readonly<Record<string, Check>> = {
  [signers.kubeApiServerClient]: (_asked, usages) => signers.apiServerClientProblem(usages),
  [signers.kubeApiServerClientKubelet]: signers.kubeletClientProblem,
  [signers.kubeletServing]: signers.kubeletServingProblem,
};

/**
 * Signs what was approved with the cluster's authority (kube-controller-manager `csrsigning`, release 1.36). What a signer must
 * not sign becomes Failed. Other signers' requests are left to them; `legacy-unknown` cannot be asked through this API version.
 */
export class CertificateSigningController implements Controller {
  readonly #options: CertificateSigningOptions;
  readonly #requests: Informer<CertificateSigningRequest>;
  readonly #life: ControllerLife;

  constructor(options: CertificateSigningOptions) {
    this.#options = options;
    const loop = requestLoop(options, 'csrsigning', 5, (context, name) => this.#sync(context, name));
    this.#requests = loop.requests;
    this.#life = new ControllerLife([loop.requests], [loop.reconciler], [loop.handler]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  async #sync(context: Context, name: string): Promise<void> {
    const request = this.#requests.lister.get(name);
    if (!request || request.status?.certificate || !conditionOf(request, 'Approved')) return;
    const check = checks[request.spec.signerName];
    if (!check || conditionOf(request, 'Denied') || conditionOf(request, 'Failed')) return;
    const { client, clock, signing } = this.#options;
    const requests = client.resource<CertificateSigningRequest>(certificateSigningRequests);
    const { usages = [], expirationSeconds } = request.spec;
    const asked = parseCertificateRequest(request.spec.request);
    const problem = check(asked, usages);
    if (problem !== undefined) {
      await requests.updateStatus(context, withCondition(request, 'Failed', 'SignerValidationFailure', problem));
      return;
    }
    const pem = await signCertificate(signing, asked, usages, expirationSeconds, clock.now());
    const certificate = Buffer.from(pem).toString('base64');
    await requests.updateStatus(context, { ...request, status: { ...request.status, certificate } });
  }
}
