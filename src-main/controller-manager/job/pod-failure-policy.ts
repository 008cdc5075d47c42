import type { Job, Pod, PodFailurePolicyRule } from '#api/gen/types';

export interface PolicyMatch {
  readonly action: 'FailJob' | 'Ignore' | 'Count';
  /** Why the job fails, for `FailJob`. */
  readonly message: string;
}

/** The first rule of `spec.podFailurePolicy` that a failed pod meets; no rule means `Count` (release 1.36). */
export function matchFailurePolicy(job: Job, pod: Pod): PolicyMatch {
  for (const [index, rule] of (job.spec.podFailurePolicy?.rules ?? []).entries()) {
    const cause = exitCodeCause(rule, pod) ?? conditionCause(rule, pod);
    if (cause === undefined) continue;
    return { action: actionOf(rule), message: `${cause} matching ${rule.action} rule at index ${index}` };
  }
  return { action: 'Count', message: '' };
}

function actionOf({ action }: PodFailurePolicyRule): PolicyMatch['action'] {
  return action === 'FailJob' || action === 'Ignore' ? action : 'Count';
}

function exitCodeCause({ onExitCodes }: PodFailurePolicyRule, { metadata, status }: Pod): string | undefined {
  if (!onExitCodes) return undefined;
  for (const { name, state } of [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]) {
    const exitCode = state?.terminated?.exitCode;
    if (exitCode === undefined || exitCode === 0) continue;
    if (onExitCodes.containerName && onExitCodes.containerName !== name) continue;
    if (onExitCodes.values.includes(exitCode) === (onExitCodes.operator === 'In')) {
      return `Container ${name} for pod ${metadata.namespace}/${metadata.name} failed with exit code ${exitCode}`;
    }
  }
  return undefined;
}

function conditionCause({ onPodConditions }: PodFailurePolicyRule, { metadata, status }: Pod): string | undefined {
  for (const pattern of onPodConditions ?? []) {
    const wanted = pattern.status ?? 'True';
    if (!status?.conditions?.some(({ type, status: is }) => type === pattern.type && is === wanted)) continue;
    return `Pod ${metadata.namespace}/${metadata.name} has condition ${pattern.type}`;
  }
  return undefined;
}
