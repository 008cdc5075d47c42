import type { CertificateSigningRequest } from '#api/gen/types';
import { signingRequestColumns } from '../printers/certificates.ts';
import {
  validateSigningRequest,
  validateSigningRequestApproval,
  validateSigningRequestStatus,
} from '../validation/certificates.ts';
import { define, status } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

const group = 'certificates.k8s.io';

/** An approval changes the conditions and nothing else; a status may add the certificate (registry/certificates, 1.36). */
export const certificateResources: readonly ResourceDefinition[] = [
  define<CertificateSigningRequest>({
    group,
    version: 'v1',
    kind: 'CertificateSigningRequest',
    plural: 'certificatesigningrequests',
    shortNames: ['csr'],
    namespaced: false,
    hasStatus: true,
    checkName: () => [],
    prepareForUpdate: (next, old) => ({ ...next, spec: old.spec }),
    validate: validateSigningRequest,
    validateStatusUpdate: validateSigningRequestStatus,
    subresourceUpdates: {
      approval: {
        prepare: (next, old) => ({
          ...next,
          status: { ...old.status, ...(next.status?.conditions ? { conditions: next.status.conditions } : {}) },
        }),
        validate: validateSigningRequestApproval,
      },
    },
    subresources: [
      {
        name: 'approval',
        group,
        version: 'v1',
        kind: 'CertificateSigningRequest',
        verbs: ['get', 'patch', 'update'],
      },
      status(group, 'v1', 'CertificateSigningRequest'),
    ],
    fields: { 'spec.signerName': ({ spec }) => spec.signerName },
    columns: signingRequestColumns,
  }),
];
