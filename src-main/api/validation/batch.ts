import type { CronJob, Job, JobSpec, LabelSelector, PodDisruptionBudget } from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import { invalid, notSupported, required, type FieldError } from './errors.ts';
import { nonNegative, oneOf, validateLabelSelector } from './metadata.ts';
import { validateTemplate } from './workloads.ts';

/** Rules of the batch and policy groups (`pkg/apis/batch/validation`, release 1.36). */

/** Without `selector`: what a Job and the template of a CronJob have in common. */
function validateJobSpec(spec: JobSpec, selector: LabelSelector | undefined, path: string): FieldError[] {
  const numbers = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
  ] as const;
  const policy = spec.template?.spec?.restartPolicy;
  const restart = `${path}.template.spec.restartPolicy`;
  const errors = [
    ...numbers.flatMap((name) => nonNegative(spec[name], `${path}.${name}`)),
    ...(spec.completionMode === undefined
      ? []
      : oneOf(spec.completionMode, ['NonIndexed', 'Indexed'], `${path}.completionMode`)),
    ...validateTemplate(spec.template, selector, `${path}.template`),
  ];
  if (spec.completionMode === 'Indexed' && spec.completions === undefined) {
    errors.push(required(`${path}.completions`, 'when completion mode is Indexed'));
  }
  if (policy === undefined || policy === 'Always') errors.push(required(restart, 'valid values: "OnFailure", "Never"'));
  else if (policy !== 'OnFailure' && policy !== 'Never')
    errors.push(notSupported(restart, policy, ['OnFailure', 'Never']));
  return errors;
}

export function validateJob({ spec }: Job): FieldError[] {
  if (!spec) return [required('spec.template')];
  return [
    ...(spec.selector ? validateLabelSelector(spec.selector, 'spec.selector') : [required('spec.selector')]),
    ...validateJobSpec(spec, spec.selector, 'spec'),
  ];
}

/** The template may change in its scheduling directives only while the job is suspended and never started. */
export function validateJobUpdate(next: Job, old: Job): FieldError[] {
  const fixed = (name: keyof JobSpec): FieldError[] =>
    jsonEqual(next.spec[name], old.spec[name])
      ? []
      : [invalid(`spec.${name}`, next.spec[name] ?? null, 'field is immutable')];
  const elastic = next.spec.completionMode === 'Indexed' && next.spec.completions === next.spec.parallelism;
  const suspended = old.spec.suspend === true && old.status?.startTime === undefined;
  return [
    ...(elastic ? [] : fixed('completions')),
    ...fixed('selector'),
    ...(suspended ? [] : fixed('template')),
    ...fixed('completionMode'),
    ...fixed('podFailurePolicy'),
    ...fixed('backoffLimitPerIndex'),
  ];
}

const cronField = /^(\*|\?|[0-9A-Za-z]+)(-[0-9A-Za-z]+)?(\/\d+)?(,(\*|[0-9A-Za-z]+)(-[0-9A-Za-z]+)?(\/\d+)?)*$/;
const bounds: readonly (readonly [number, number])[] = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 6],
];

/** What is wrong with a schedule of five fields, or `@daily` and its like. */
function scheduleProblem(schedule: string): string | undefined {
  if (schedule.startsWith('@')) {
    const known = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly|every \S+)$/.test(schedule);
    return known ? undefined : `unrecognized descriptor: ${schedule}`;
  }
  const fields = schedule.trim().split(/\s+/).filter(Boolean);
  if (fields.length !== 5) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
  for (const [index, field] of fields.entries()) {
    if (!cronField.test(field))
      return `failed to parse int from ${field}: strconv.Atoi: parsing ${JSON.stringify(field)}: invalid syntax`;
    const [from = 0, to = 0] = bounds[index] ?? [];
    for (const number of field.replace(/\/\d+/g, '').match(/\d+/g) ?? []) {
      if (Number(number) > to) return `end of range (${number}) above maximum (${to}): ${field}`;
      if (Number(number) < from) return `beginning of range (${number}) below minimum (${from}): ${field}`;
    }
  }
  return undefined;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** A Job's name is the CronJob's with eleven characters more. */
const maxCronJobName = 52;

export function validateCronJob({ metadata, spec }: CronJob): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec) return [required('spec.schedule')];
  if ((metadata.name ?? '').length > maxCronJobName) {
    errors.push(invalid('metadata.name', metadata.name, `must be no more than ${maxCronJobName} characters`));
  }
  if (!spec.schedule) errors.push(required('spec.schedule'));
  else {
    const problem = scheduleProblem(spec.schedule);
    if (problem) errors.push(invalid('spec.schedule', spec.schedule, problem));
    if (spec.schedule.includes('TZ')) {
      errors.push(
        invalid('spec.schedule', spec.schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
      );
    }
  }
  if (spec.timeZone !== undefined && !isTimeZone(spec.timeZone)) {
    errors.push(invalid('spec.timeZone', spec.timeZone, `unknown time zone ${spec.timeZone}`));
  }
  const job = spec.jobTemplate?.spec;
  return [
    ...errors,
    ...nonNegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds'),
    ...oneOf(spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'], 'spec.concurrencyPolicy'),
    ...nonNegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit'),
    ...nonNegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit'),
    ...(job ? validateJobSpec(job, undefined, 'spec.jobTemplate.spec') : [required('spec.jobTemplate.spec.template')]),
  ];
}

export function validateDisruptionBudget({ spec }: PodDisruptionBudget): FieldError[] {
  const { minAvailable, maxUnavailable } = spec ?? {};
  return [
    ...(minAvailable !== undefined && maxUnavailable !== undefined
      ? [invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set')]
      : []),
    ...validateLabelSelector(spec?.selector, 'spec.selector'),
  ];
}
