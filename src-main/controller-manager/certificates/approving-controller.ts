import type { CertificateSigningRequest, SubjectAccessReview } from '#api/gen/types';
import { parseCertificateRequest } from '#api/certificates/certificate-request';
import { kubeApiServerClientKubelet, kubeletClientProblem } from '#api/certificates/signers';
import type { Context } from '#base/context';
import type { Informer } from '#client/client';
import { certificateSigningRequests, subjectAccessReviews } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { requestLoop } from './request-loop.ts';
import { isPending, withCondition } from './request-state.ts';

/** What a kubelet needs to be allowed to have its request approved without a person. */
const permissions = {
  selfnodeclient: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  nodeclient: 'Auto approving kubelet client certificate after SubjectAccessReview.',
} as const;
type Permission = keyof typeof permissions;

/**
 * Approves client certificates of kubelets: of a new one that shows a bootstrap token, and of one that renews its own. Who may is
 * asked of the API server (kube-controller-manager `csrapproving`, release 1.36).
 */
export class CertificateApprovingController implements Controller {
  readonly #options: ControllerOptions;
  readonly #requests: Informer<CertificateSigningRequest>;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const loop = requestLoop(options, 'csrapproving', 5, (context, name) => this.#sync(context, name));
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
    if (!request || !isPending(request) || request.spec.signerName !== kubeApiServerClientKubelet) return;
    const { spec } = request;
    const asked = parseCertificateRequest(spec.request);
    if (kubeletClientProblem(asked, spec.usages ?? []) !== undefined) return;
    const candidates: readonly Permission[] =
      spec.username === asked.commonName ? ['selfnodeclient', 'nodeclient'] : ['nodeclient'];
    for (const permission of candidates) {
      if (!(await this.#isAllowed(context, request, permission))) continue;
      const approved = withCondition(request, 'Approved', 'AutoApproved', permissions[permission]);
      const requests = this.#options.client.resource<CertificateSigningRequest>(certificateSigningRequests);
      await requests.updateSubresource(context, approved, 'approval');
      return;
    }
    this.#options.logger.info('a request of a kubelet waits for a person: its requestor may not have it approved', {
      request: name,
      requestor: spec.username ?? '',
    });
  }

  async #isAllowed(context: Context, { spec }: CertificateSigningRequest, permission: Permission): Promise<boolean> {
    const { username, uid, groups, extra } = spec;
    const review: SubjectAccessReview = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        ...(username === undefined ? {} : { user: username }),
        ...(uid === undefined ? {} : { uid }),
        ...(groups ? { groups } : {}),
        ...(extra ? { extra } : {}),
        resourceAttributes: {
          ...{ group: 'certificates.k8s.io', resource: 'certificatesigningrequests', verb: 'create' },
          subresource: permission,
        },
      },
    };
    const reviews = this.#options.client.resource<SubjectAccessReview>(subjectAccessReviews);
    return (await reviews.create(context, review)).status?.allowed === true;
  }
}
