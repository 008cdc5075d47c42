import type { CertificateSigningRequest, Node } from '#api/gen/types';
import { parseCertificateRequest } from '#api/certificates/certificate-request';
import { kubeletServing, kubeletServingProblem } from '#api/certificates/signers';
import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import type { Informer, Reconciler } from '#client/client';
import { certificateSigningRequests, nodes } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { requestLoop } from './request-loop.ts';
import { isPending, withCondition } from './request-state.ts';

const nodePrefix = 'system:node:';
const message =
  'Auto approving kubelet serving certificate: the node asks for itself, for its own names and addresses.';

/**
 * Approves serving certificates of kubelets. Upstream leaves these to an approver that the cluster brings, since only it knows
 * which addresses are whose; here the Node says it: a kubelet gets a certificate for the names and addresses of its own Node.
 */
export class KubeletServingApprover implements Controller {
  readonly #options: ControllerOptions;
  readonly #requests: Informer<CertificateSigningRequest>;
  readonly #nodes: Informer<Node>;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const loop = requestLoop(options, 'kubelet-serving-approver', 2, (context, name) => this.#sync(context, name));
    this.#requests = loop.requests;
    this.#reconciler = loop.reconciler;
    this.#nodes = options.informers.informer<Node>(nodes);
    // A kubelet asks before its Node says what its addresses are, or while they change.
    const retry = ({ metadata }: Node): void => this.#enqueueRequestsOf(metadata.name ?? '', metadata.resourceVersion);
    const handlers = [
      loop.handler,
      this.#nodes.addHandler({
        onAdd: retry,
        onUpdate: (before, node) => {
          if (!jsonEqual(before.status?.addresses, node.status?.addresses)) retry(node);
        },
      }),
    ];
    this.#life = new ControllerLife([this.#requests, this.#nodes], [this.#reconciler], handlers);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #enqueueRequestsOf(nodeName: string, revision: string | undefined): void {
    for (const request of this.#requests.lister.list()) {
      if (request.spec.username !== nodePrefix + nodeName || !isPending(request)) continue;
      this.#reconciler.enqueue(request.metadata.name ?? '', revision);
    }
  }

  async #sync(context: Context, name: string): Promise<void> {
    const request = this.#requests.lister.get(name);
    if (!request || !isPending(request) || request.spec.signerName !== kubeletServing) return;
    const refusal = servingRefusal(request, (node) => this.#nodes.lister.get(node));
    if (refusal !== undefined) {
      this.#options.logger.info('a serving certificate is not approved', { request: name, why: refusal });
      return;
    }
    const approved = withCondition(request, 'Approved', 'AutoApproved', message);
    const requests = this.#options.client.resource<CertificateSigningRequest>(certificateSigningRequests);
    await requests.updateSubresource(context, approved, 'approval');
  }
}

/** Why a request for a serving certificate is not approved; undefined when it is. */
export function servingRefusal(
  { spec }: CertificateSigningRequest,
  nodeNamed: (name: string) => Node | undefined,
): string | undefined {
  const asked = parseCertificateRequest(spec.request);
  const problem = kubeletServingProblem(asked, spec.usages ?? []);
  if (problem !== undefined) return problem;
  if (spec.username !== asked.commonName || !spec.groups?.includes('system:nodes')) {
    return `${spec.username ?? 'nobody'} asks for a certificate of ${asked.commonName}`;
  }
  const nodeName = asked.commonName.slice(nodePrefix.length);
  const node = nodeNamed(nodeName);
  if (!node) return `there is no node ${nodeName}`;
  const addresses = (node.status?.addresses ?? []).map(({ address }) => address);
  const foreign = [...asked.dnsNames, ...asked.ipAddresses].filter((name) => !addresses.includes(name));
  return foreign.length === 0 ? undefined : `${foreign.join(', ')} is not among the addresses of node ${nodeName}`;
}
