import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#api/gen/types';
import { isSignedByItsKey, parseCertificateRequest } from '#api/certificates/certificate-request';
import type { KubeObject } from '#api/machinery/object';
import { invalid, invalidError } from '#api/validation/errors';
import { formatTime, type Clock } from '#base/clock';
import { messageOf } from '#base/errors';
import type { UserInfo } from '../request.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

type Request = CertificateSigningRequest & KubeObject;

export function isSigningRequest({ served }: AdmissionRequest): boolean {
  return served.resource === 'certificatesigningrequests' && served.group === 'certificates.k8s.io';
}

/**
 * Who asks for a certificate is who sent the request, whatever it says; the request in it must be signed by its own key; and
 * conditions carry the time they were written (strategy of `registry/certificates`, release 1.36).
 */
export function certificateRequests(clock: Clock): AdmissionPlugin {
  return {
    name: 'CertificateSigningRequest',
    admit: (request) => {
      if (!isSigningRequest(request) || request.operation === 'DELETE') return request.object;
      const csr = request.object as Request;
      if (request.operation === 'CREATE') return withRequestor(csr, request.user);
      return request.subresource === '' ? csr : withTimes(csr, request.old as Request, formatTime(clock.now()));
    },
    validate: async (request) => {
      if (!isSigningRequest(request) || request.operation !== 'CREATE') return;
      const { spec } = request.object as Request;
      const problem = await problemOf(spec.request);
      if (problem === undefined) return;
      const group = { group: request.served.group, kind: request.served.kind };
      throw invalidError(group, request.name, [invalid('spec.request', spec.request, problem)]);
    },
  };
}

function withRequestor(csr: Request, { name, uid, groups, extra }: UserInfo): Request {
  const { request, signerName, usages, expirationSeconds } = csr.spec;
  return {
    ...csr,
    spec: {
      request,
      signerName,
      ...(usages ? { usages } : {}),
      ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
      username: name,
      ...(uid ? { uid } : {}),
      groups,
      ...(extra ? { extra } : {}),
    },
  };
}

function withTimes(csr: Request, old: Request, now: string): Request {
  const before = old.status?.conditions ?? [];
  const conditions = csr.status?.conditions?.map((condition): CertificateSigningRequestCondition => {
    const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? now,
      lastTransitionTime: condition.lastTransitionTime ?? same?.lastTransitionTime ?? now,
    };
  });
  return conditions ? { ...csr, status: { ...csr.status, conditions } } : csr;
}

async function problemOf(request: string): Promise<string | undefined> {
  try {
    const asked = parseCertificateRequest(request);
    return (await isSignedByItsKey(asked)) ? undefined : 'x509: the signature of the request is not by its own key';
  } catch (error) {
    return messageOf(error);
  }
}
