import type { CertificateSigningRequest } from '#api/gen/types';
import type { Column } from './columns.ts';
import { ageColumn, nameColumn, text } from './common.ts';
import { humanDuration } from './duration.ts';

function condition({ status }: CertificateSigningRequest): string {
  const has = (type: string): boolean => (status?.conditions ?? []).some((one) => one.type === type);
  const decision = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  return `${decision}${has('Failed') ? ',Failed' : ''}${status?.certificate ? ',Issued' : ''}`;
}

export const signingRequestColumns: readonly Column<CertificateSigningRequest>[] = [
  nameColumn,
  ageColumn,
  text('SignerName', 'Who is asked to sign.', ({ spec }) => spec.signerName),
  text('Requestor', 'Who asks.', ({ spec }) => spec.username ?? ''),
  text('RequestedDuration', 'How long the certificate should be good.', ({ spec }) =>
    spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
  ),
  text('Condition', 'What was decided, and whether it was signed.', condition),
];
