import type { Job } from '#api/gen/types';
import { isDns1123Subdomain } from '../machinery/names.ts';
import * as columns from '../printers/workloads.ts';
import { defaultCronJob, defaultJob } from '../defaults/workloads.ts';
import { validateCronJob, validateDisruptionBudget, validateJob, validateJobUpdate } from '../validation/batch.ts';
import { prepareJob } from './core-hooks.ts';
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
    applyDefaults: defaultCronJob,
    validate: validateCronJob,
    shortNames: ['cj'],
    categories: ['all'],
    subresources: [status('batch', 'v1', 'CronJob')],
    columns: columns.cronJobColumns,
  }),
  define<Job>({
    ...batch,
    kind: 'Job',
    plural: 'jobs',
    applyDefaults: defaultJob,
    prepareForCreate: prepareJob,
    validate: validateJob,
    validateUpdate: validateJobUpdate,
    categories: ['all'],
    subresources: [status('batch', 'v1', 'Job')],
    fields: { 'status.successful': (job) => String(job.status?.succeeded ?? 0) },
    columns: columns.jobColumns,
  }),
];

export const policyResources: readonly ResourceDefinition[] = [
  define({
    group: 'policy',
    version: 'v1',
    kind: 'PodDisruptionBudget',
    plural: 'poddisruptionbudgets',
    initialStatus: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
    validate: validateDisruptionBudget,
    shortNames: ['pdb'],
    hasStatus: true,
    generationOf: ['spec'],
    checkName: isDns1123Subdomain,
    subresources: [status('policy', 'v1', 'PodDisruptionBudget')],
    columns: columns.podDisruptionBudgetColumns,
  }),
];
