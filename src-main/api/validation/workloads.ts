import type {
  DaemonSet,
  Deployment,
  LabelSelector,
  PodTemplateSpec,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import { matchesSelector, selectorOf, SelectorError } from '../machinery/labels.ts';
import { omit } from '../machinery/meta.ts';
import { forbidden, invalid, notSupported, required, type FieldError } from './errors.ts';
import { nonNegative, oneOf, validateAnnotations, validateLabels, validateLabelSelector } from './metadata.ts';
import { validatePodSpec } from './pod.ts';

/** Rules of the apps group (`pkg/apis/apps/validation`, release 1.36). */

const isEmptySelector = (selector: LabelSelector): boolean =>
  Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;

function validateSelectorOf(selector: LabelSelector | undefined, path: string, kind: string): FieldError[] {
  if (!selector) return [required(path)];
  const errors = validateLabelSelector(selector, path);
  if (isEmptySelector(selector)) errors.push(invalid(path, selector, `empty selector is invalid for ${kind}`));
  return errors;
}

/** The template itself, and that the selector selects what it makes. */
export function validateTemplate(
  template: PodTemplateSpec | undefined,
  selector: LabelSelector | undefined,
  path: string,
): FieldError[] {
  if (!template) return [required(path)];
  const errors: FieldError[] = [];
  const labels = template.metadata?.labels;
  if (selector && !isEmptySelector(selector) && !selects(selector, labels)) {
    errors.push(invalid(`${path}.metadata.labels`, labels ?? null, '`selector` does not match template `labels`'));
  }
  return [
    ...errors,
    ...validateLabels(labels, `${path}.metadata.labels`),
    ...validateAnnotations(template.metadata?.annotations, `${path}.metadata.annotations`),
    ...(template.spec ? validatePodSpec(template.spec, `${path}.spec`) : [required(`${path}.spec.containers`)]),
  ];
}

function selects(selector: LabelSelector, labels: Readonly<Record<string, string>> | undefined): boolean {
  try {
    return matchesSelector(selectorOf(selector), labels);
  } catch (error) {
    // An operator that does not exist is reported by the check of the selector itself.
    if (error instanceof SelectorError) return true;
    throw error;
  }
}

function alwaysRestarts(template: PodTemplateSpec | undefined, path: string, kind: string): FieldError[] {
  const errors: FieldError[] = [];
  const spec = template?.spec;
  if (spec?.restartPolicy && spec.restartPolicy !== 'Always') {
    errors.push(notSupported(`${path}.spec.restartPolicy`, spec.restartPolicy, ['Always']));
  }
  if (spec?.activeDeadlineSeconds !== undefined) {
    errors.push(forbidden(`${path}.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${kind} is not Supported`));
  }
  return errors;
}

const isZero = (value: number | string | undefined): boolean => value === 0 || value === '0%';

function validateAmount(value: number | string | undefined, path: string): FieldError[] {
  if (typeof value === 'string' && !/^\d+%$/.test(value)) {
    const detail =
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
    return [invalid(path, value, detail)];
  }
  return typeof value === 'number' ? nonNegative(value, path) : [];
}

const over100 = (value: number | string | undefined, path: string): FieldError[] =>
  typeof value === 'string' && Number.parseInt(value, 10) > 100
    ? [invalid(path, value, 'must not be greater than 100%')]
    : [];

function validateStrategy(strategy: Deployment['spec']['strategy'], path: string): FieldError[] {
  if (strategy?.type === 'Recreate') {
    if (!strategy.rollingUpdate) return [];
    return [forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")];
  }
  if (strategy?.type !== 'RollingUpdate')
    return [notSupported(`${path}.type`, strategy?.type ?? '', ['Recreate', 'RollingUpdate'])];
  const { maxSurge, maxUnavailable } = strategy.rollingUpdate ?? {};
  const at = `${path}.rollingUpdate`;
  return [
    ...validateAmount(maxUnavailable, `${at}.maxUnavailable`),
    ...validateAmount(maxSurge, `${at}.maxSurge`),
    ...(isZero(maxUnavailable) && isZero(maxSurge)
      ? [invalid(`${at}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0')]
      : []),
    ...over100(maxUnavailable, `${at}.maxUnavailable`),
  ];
}

export function validateDeployment({ spec }: Deployment): FieldError[] {
  if (!spec) return [required('spec.selector'), required('spec.template')];
  const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec;
  const path = 'spec.progressDeadlineSeconds';
  return [
    ...nonNegative(spec.replicas, 'spec.replicas'),
    ...validateSelectorOf(spec.selector, 'spec.selector', 'deployment'),
    ...validateTemplate(spec.template, spec.selector, 'spec.template'),
    ...alwaysRestarts(spec.template, 'spec.template', 'ReplicaSet'),
    ...validateStrategy(spec.strategy, 'spec.strategy'),
    ...nonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...nonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...nonNegative(deadline, path),
    ...(deadline !== undefined && deadline <= minReadySeconds
      ? [invalid(path, deadline, 'must be greater than minReadySeconds')]
      : []),
  ];
}

export function validateReplicaSet({ spec }: ReplicaSet): FieldError[] {
  return [
    ...nonNegative(spec?.replicas, 'spec.replicas'),
    ...nonNegative(spec?.minReadySeconds, 'spec.minReadySeconds'),
    ...validateSelectorOf(spec?.selector, 'spec.selector', 'deployment'),
    ...validateTemplate(spec?.template, spec?.selector, 'spec.template'),
    ...alwaysRestarts(spec?.template, 'spec.template', 'ReplicaSet'),
  ];
}

export function validateReplicationController({ spec }: ReplicationController): FieldError[] {
  const selector = spec?.selector && Object.keys(spec.selector).length > 0 ? { matchLabels: spec.selector } : undefined;
  return [
    ...nonNegative(spec?.replicas, 'spec.replicas'),
    ...(selector ? [] : [required('spec.selector')]),
    ...validateTemplate(spec?.template, selector, 'spec.template'),
    ...alwaysRestarts(spec?.template, 'spec.template', 'ReplicationController'),
  ];
}

export function validateDaemonSet({ spec }: DaemonSet): FieldError[] {
  const strategy = spec?.updateStrategy;
  const { maxSurge, maxUnavailable } = strategy?.rollingUpdate ?? {};
  const at = 'spec.updateStrategy';
  return [
    ...validateSelectorOf(spec?.selector, 'spec.selector', 'daemonset'),
    ...validateTemplate(spec?.template, spec?.selector, 'spec.template'),
    ...alwaysRestarts(spec?.template, 'spec.template', 'DaemonSet'),
    ...nonNegative(spec?.minReadySeconds, 'spec.minReadySeconds'),
    ...nonNegative(spec?.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...oneOf(strategy?.type, ['RollingUpdate', 'OnDelete'], `${at}.type`),
    ...validateAmount(maxUnavailable, `${at}.rollingUpdate.maxUnavailable`),
    ...validateAmount(maxSurge, `${at}.rollingUpdate.maxSurge`),
    ...(strategy?.type === 'RollingUpdate' && isZero(maxUnavailable) && isZero(maxSurge)
      ? [required(`${at}.rollingUpdate.maxUnavailable`, 'cannot be 0 when maxSurge is 0')]
      : []),
  ];
}

export function validateStatefulSet({ spec }: StatefulSet): FieldError[] {
  const partition = spec?.updateStrategy?.rollingUpdate?.partition;
  return [
    ...oneOf(spec?.podManagementPolicy, ['OrderedReady', 'Parallel'], 'spec.podManagementPolicy'),
    ...oneOf(spec?.updateStrategy?.type, ['RollingUpdate', 'OnDelete'], 'spec.updateStrategy.type'),
    ...nonNegative(partition, 'spec.updateStrategy.rollingUpdate.partition'),
    ...nonNegative(spec?.replicas, 'spec.replicas'),
    ...nonNegative(spec?.minReadySeconds, 'spec.minReadySeconds'),
    ...validateSelectorOf(spec?.selector, 'spec.selector', 'statefulset'),
    ...validateTemplate(spec?.template, spec?.selector, 'spec.template'),
    ...alwaysRestarts(spec?.template, 'spec.template', 'StatefulSet'),
  ];
}

/** Selectors are set for good: the pods they chose would be forgotten. */
export function validateSelectorUpdate(
  next: { readonly spec: { readonly selector?: LabelSelector } },
  old: { readonly spec: { readonly selector?: LabelSelector } },
): FieldError[] {
  if (jsonEqual(next.spec.selector, old.spec.selector)) return [];
  return [invalid('spec.selector', next.spec.selector, 'field is immutable')];
}

const statefulSetUpdatable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

export function validateStatefulSetUpdate(next: StatefulSet, old: StatefulSet): FieldError[] {
  if (jsonEqual(omit(next.spec, ...statefulSetUpdatable), omit(old.spec, ...statefulSetUpdatable))) return [];
  const names = statefulSetUpdatable.map((name) => `'${name}'`);
  const list = `${names.slice(0, -1).join(', ')} and ${names[names.length - 1] ?? ''}`;
  return [forbidden('spec', `updates to statefulset spec for fields other than ${list} are forbidden`)];
}
