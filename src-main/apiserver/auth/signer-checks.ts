import type { CertificateSigningRequest } from '#api/gen/types';
import { parseCertificateRequest } from '#api/certificates/certificate-request';
import { kubeApiServerClient } from '#api/certificates/signers';
import type { KubeObject } from '#api/machinery/object';
import { jsonEqual } from '#base/freeze';
import type { AdmissionPlugin, AdmissionRequest } from '../admission/admission.ts';
import { isSigningRequest } from '../admission/certificate-requests.ts';
import { forbidden } from '../storage/errors.ts';
import type { Authorizer } from './authorizer.ts';

type Request = CertificateSigningRequest & KubeObject;

/**
 * Approving and signing ask for a permission on the signer, beside the one on the subresource; and nobody becomes a member of
 * `system:masters` by a signed certificate (plugin/pkg/admission/certificates, release 1.36).
 */
export function signerChecks(authorizer: Authorizer): readonly AdmissionPlugin[] {
  return [
    { name: 'CertificateApproval', validate: (request) => checkApproval(authorizer, request) },
    { name: 'CertificateSigning', validate: (request) => checkSigning(authorizer, request) },
    { name: 'CertificateSubjectRestriction', validate: checkSubject },
  ];
}

async function checkApproval(authorizer: Authorizer, request: AdmissionRequest): Promise<void> {
  if (!isSigningRequest(request) || request.subresource !== 'approval') return;
  const { signerName } = (request.old as Request).spec;
  if (await maySigner(authorizer, request, 'approve', signerName)) return;
  const text = `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`;
  throw forbidden(request.served, request.name, text);
}

async function checkSigning(authorizer: Authorizer, request: AdmissionRequest): Promise<void> {
  if (!isSigningRequest(request) || request.subresource !== 'status') return;
  const [next, old] = [request.object as Request, request.old as Request];
  const sameConditions = jsonEqual(next.status?.conditions, old.status?.conditions);
  if (sameConditions && next.status?.certificate === old.status?.certificate) return;
  const { signerName } = old.spec;
  if (await maySigner(authorizer, request, 'sign', signerName)) return;
  const text = `user not permitted to sign requests with signerName ${JSON.stringify(signerName)}`;
  throw forbidden(request.served, request.name, text);
}

function checkSubject(request: AdmissionRequest): void {
  if (!isSigningRequest(request) || request.operation !== 'CREATE') return;
  const { spec } = request.object as Request;
  if (spec.signerName !== kubeApiServerClient) return;
  if (!parseCertificateRequest(spec.request).organizations.includes('system:masters')) return;
  const text = `use of ${kubeApiServerClient} signer with system:masters group is not allowed`;
  throw forbidden(request.served, request.name, text);
}

/** The permission may be for one signer, or for all of a domain: `signers/example.com/*`. */
async function maySigner(
  authorizer: Authorizer,
  { context, user }: AdmissionRequest,
  verb: string,
  signerName: string,
): Promise<boolean> {
  const domain = signerName.split('/')[0] ?? '';
  for (const name of [signerName, `${domain}/*`]) {
    const { verdict } = await authorizer.authorize(context, {
      ...{ isResourceRequest: true, path: '', namespace: '', subresource: '', user, verb, name },
      ...{ group: 'certificates.k8s.io', version: '*', resource: 'signers' },
    });
    if (verdict === 'allow') return true;
  }
  return false;
}
