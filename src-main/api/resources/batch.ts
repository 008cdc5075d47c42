import type { Job } from '#api/gen/types';
import { isDns1123Subdomain } from '../machinery/names.ts';
import * as columns from '../printers/workloads.ts';
import { define, status } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

const batch = {
  group: 'batch',
  version: 'v1',
  hasStatus: true,
  generationOf: ['spec'],
  checkName: isDns1123Subdomain,
} as const;

export const batchResources: readonly ResourceDefinition[] = [
  define({
    ...batch,
    kind: 'CronJob',
    plural: 'cronjobs',
    shortNames: ['cj'],
    categories: ['all'],
    subresources: [status('batch', 'v1', 'CronJob')],
    columns: columns.cronJobColumns,
  }),
  define<Job>({
    ...batch,
    kind: 'Job',
    plural: 'jobs',
    categories: ['all'],
    subresources: [status('batch', 'v1', 'Job')],
    fields: { 'status.successful': (job) => String(job.status?.succeeded ?? 0) },
    columns: columns.jobColumns,
  }),
  define({
    group: 'policy',
    version: 'v1',
    kind: 'PodDisruptionBudget',
    plural: 'poddisruptionbudgets',
    shortNames: ['pdb'],
    hasStatus: true,
    generationOf: ['spec'],
    checkName: isDns1123Subdomain,
    subresources: [status('policy', 'v1', 'PodDisruptionBudget')],
    columns: columns.podDisruptionBudgetColumns,
  }),
];
