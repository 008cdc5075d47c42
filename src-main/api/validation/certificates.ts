import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import { legacyUnknown } from '../certificates/signers.ts';
import { isDns1123Label, isDns1123Subdomain } from '../machinery/names.ts';
import { duplicate, forbidden, invalid, notSupported, required, tooLong, type FieldError } from './errors.ts';
import { each } from './metadata.ts';

/** Rules of signing requests (`pkg/apis/certificates/validation`, release 1.36); the request's signature is admission's. */

const usages = [
  ...['any', 'cert sign', 'client auth', 'code signing', 'content commitment', 'crl sign', 'data encipherment'],
  ...['decipher only', 'digital signature', 'email protection', 'encipher only', 'ipsec end system', 'ipsec tunnel'],
  ...['ipsec user', 'key agreement', 'key encipherment', 'microsoft sgc', 'netscape sgc', 'ocsp signing', 's/mime'],
  ...['server auth', 'signing', 'timestamping'],
];
const minSeconds = 600;
const maxDomain = 253;
const maxSignerName = 571;
const path = 'spec.signerName';

function validateSignerName(name: string): FieldError[] {
  if (name === '') return [required(path)];
  if (name === legacyUnknown) return [invalid(path, name, 'the legacy signerName is not allowed via this API version')];
  const [domain = '', signer = '', ...more] = name.split('/');
  if (!name.includes('/') || more.length > 0) {
    return [invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")];
  }
  const labels = domain.split('.');
  const labelled = (label: string, problem: string): string => `validating label ${JSON.stringify(label)}: ${problem}`;
  return [
    ...(domain.length > maxDomain ? [tooLong(path, maxDomain)] : []),
    ...labels.flatMap((label) => isDns1123Label(label).map((text) => invalid(path, domain, labelled(label, text)))),
    ...(labels.length < 2
      ? [invalid(path, domain, 'should be a domain with at least two segments separated by dots')]
      : []),
    ...signer
      .split('.')
      .flatMap((label) => isDns1123Subdomain(label).map((text) => invalid(path, signer, labelled(label, text)))),
    ...(name.length > maxSignerName ? [tooLong(path, maxSignerName)] : []),
  ];
}

const decisive = ['Approved', 'Denied', 'Failed'];

function validateConditions(conditions: readonly CertificateSigningRequestCondition[] | undefined): FieldError[] {
  const seen = new Set<string>();
  return each(conditions, 'status.conditions', ({ type, status }, at) => {
    const errors: FieldError[] = [];
    const allowed = decisive.includes(type) ? ['True'] : ['False', 'True', 'Unknown'];
    if (!type) errors.push(required(`${at}.type`));
    if (!status) errors.push(required(`${at}.status`));
    else if (!allowed.includes(status)) errors.push(notSupported(`${at}.status`, status, allowed));
    const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (opposite && seen.has(opposite)) {
      errors.push(invalid(`${at}.type`, type, 'Approved and Denied conditions are mutually exclusive'));
    }
    if (seen.has(type)) errors.push(duplicate(`${at}.type`, type));
    seen.add(type);
    return errors;
  });
}

export function validateSigningRequest({ spec, status }: CertificateSigningRequest): FieldError[] {
  const asked = new Set<string>();
  const { expirationSeconds } = spec;
  return [
    ...((spec.usages ?? []).length === 0 ? [required('spec.usages')] : []),
    ...each(spec.usages, 'spec.usages', (usage, at) => {
      const repeated = asked.has(usage);
      asked.add(usage);
      if (repeated) return [duplicate(at, usage)];
      return usages.includes(usage) ? [] : [notSupported(at, usage, usages)];
    }),
    ...validateSignerName(spec.signerName ?? ''),
    ...(expirationSeconds !== undefined && expirationSeconds < minSeconds
      ? [
          invalid(
            'spec.expirationSeconds',
            expirationSeconds,
            'may not specify a duration less than 600 seconds (10 minutes)',
          ),
        ]
      : []),
    ...validateConditions(status?.conditions),
  ];
}

type Request = CertificateSigningRequest;
const ofType = ({ status }: Request, type: string): readonly CertificateSigningRequestCondition[] =>
  (status?.conditions ?? []).filter((condition) => condition.type === type);

function keptConditions(next: Request, old: Request): FieldError[] {
  return decisive
    .filter((type) => ofType(next, type).length < ofType(old, type).length)
    .map((type) => forbidden('status.conditions', `updates may not remove a condition of type "${type}"`));
}

/** Approving and denying is for the approval subresource alone. */
function sameDecision(next: Request, old: Request): FieldError[] {
  return ['Approved', 'Denied'].flatMap((type) => {
    const [after, before] = [ofType(next, type), ofType(old, type)];
    if (after.length < before.length || jsonEqual(after, before)) return [];
    const what = after.length > before.length ? 'add' : 'modify';
    return [forbidden('status.conditions', `updates may not ${what} a condition of type "${type}"`)];
  });
}

export function validateSigningRequestStatus(next: Request, old: Request): FieldError[] {
  const [certificate, before] = [next.status?.certificate, old.status?.certificate];
  return [
    ...validateConditions(next.status?.conditions),
    ...keptConditions(next, old),
    ...sameDecision(next, old),
    ...(before && certificate !== before
      ? [forbidden('status.certificate', 'updates may not modify existing certificate content')]
      : []),
  ];
}

export function validateSigningRequestApproval(next: Request, old: Request): FieldError[] {
  return [...validateConditions(next.status?.conditions), ...keptConditions(next, old)];
}
