import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#api/gen/types';

export function conditionOf(
  { status }: CertificateSigningRequest,
  type: 'Approved' | 'Denied' | 'Failed',
): CertificateSigningRequestCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** Nobody has approved or denied it, and nothing was signed. */
export function isPending(request: CertificateSigningRequest): boolean {
  return !request.status?.certificate && !conditionOf(request, 'Approved') && !conditionOf(request, 'Denied');
}

/** `request` with one more condition that is true. */
export function withCondition(
  request: CertificateSigningRequest,
  type: 'Approved' | 'Failed',
  reason: string,
  message: string,
): CertificateSigningRequest {
  const conditions = [...(request.status?.conditions ?? []), { type, status: 'True', reason, message }];
  return { ...request, status: { ...request.status, conditions } };
}
