import type { Affinity, Container, Pod, PodSpec, Toleration } from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import { omit } from '../machinery/meta.ts';
import { inRange, isDns1123Label, isDns1123Subdomain, isQualifiedName } from '../machinery/names.ts';
import { validateContainer, validateInitContainer } from './containers.ts';
import { duplicate, forbidden, invalid, notSupported, required, type FieldError } from './errors.ts';
import { byName, each, nonNegative, oneOf, validateLabels, validateLabelSelector } from './metadata.ts';
import { validateVolumes } from './volumes.ts';

/** Rules of pods and pod templates (`pkg/apis/core/validation`, release 1.36). */

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

function validateToleration(toleration: Toleration, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { key, operator, value, effect, tolerationSeconds } = toleration;
  if (key) errors.push(...byName(isQualifiedName, key, `${path}.key`));
  else if (operator !== 'Exists') {
    const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
    errors.push(invalid(`${path}.operator`, operator ?? '', detail));
  }
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    errors.push(invalid(`${path}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"));
  }
  if (operator === 'Exists') {
    if (value) errors.push(invalid(`${path}.operator`, toleration, "value must be empty when `operator` is 'Exists'"));
  } else if (operator !== undefined && operator !== 'Equal') {
    errors.push(notSupported(`${path}.operator`, operator, ['Equal', 'Exists']));
  }
  if (effect && !effects.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, effects));
  return errors;
}

function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  const terms = (['podAffinity', 'podAntiAffinity'] as const).flatMap((kind) => {
    const at = `${path}.${kind}`;
    const one = affinity?.[kind];
    const check = (
      term: { readonly topologyKey: string; readonly labelSelector?: object },
      where: string,
    ): FieldError[] => [
      ...(term.topologyKey
        ? byName(isQualifiedName, term.topologyKey, `${where}.topologyKey`)
        : [required(`${where}.topologyKey`, 'can not be empty')]),
      ...validateLabelSelector(term.labelSelector, `${where}.labelSelector`),
    ];
    return [
      ...each(
        one?.requiredDuringSchedulingIgnoredDuringExecution,
        `${at}.requiredDuringSchedulingIgnoredDuringExecution`,
        check,
      ),
      ...each(
        one?.preferredDuringSchedulingIgnoredDuringExecution,
        `${at}.preferredDuringSchedulingIgnoredDuringExecution`,
        (term, where) => [
          ...inRange(term.weight, 1, 100).map(() =>
            invalid(`${where}.weight`, term.weight, 'must be in the range 1-100'),
          ),
          ...check(term.podAffinityTerm, `${where}.podAffinityTerm`),
        ],
      ),
    ];
  });
  const demanded = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const at = `${path}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`;
  if (demanded && (demanded.nodeSelectorTerms ?? []).length === 0) {
    terms.push(required(at, 'must have at least one node selector term'));
  }
  return terms;
}

function validateContainers(spec: PodSpec, path: string): FieldError[] {
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  const names = new Set<string>();
  const check = (container: Container, at: string): FieldError[] => {
    const errors = validateContainer(container, at, volumes);
    if (container.name && names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
    names.add(container.name);
    if (spec.hostNetwork) {
      errors.push(
        ...each(container.ports, `${at}.ports`, ({ hostPort, containerPort }, port) =>
          hostPort === containerPort
            ? []
            : [invalid(`${port}.hostPort`, hostPort ?? 0, 'must match `containerPort` when `hostNetwork` is true')],
        ),
      );
    }
    return errors;
  };
  const containers = spec.containers ?? [];
  return [
    ...(containers.length === 0 ? [required(`${path}.containers`)] : each(containers, `${path}.containers`, check)),
    ...each(spec.initContainers, `${path}.initContainers`, (container, at) => [
      ...check(container, at),
      ...validateInitContainer(container, at),
    ]),
  ];
}

const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];

export function validatePodSpec(spec: PodSpec, path: string): FieldError[] {
  const errors = [
    ...validateVolumes(spec.volumes, `${path}.volumes`),
    ...validateContainers(spec, path),
    ...oneOf(spec.restartPolicy, ['Always', 'OnFailure', 'Never'], `${path}.restartPolicy`),
    ...oneOf(spec.dnsPolicy, dnsPolicies, `${path}.dnsPolicy`),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
    ...each(spec.imagePullSecrets, `${path}.imagePullSecrets`, ({ name }, at) =>
      name ? [] : [required(`${at}.name`)],
    ),
    ...each(spec.tolerations, `${path}.tolerations`, validateToleration),
    ...nonNegative(spec.terminationGracePeriodSeconds, `${path}.terminationGracePeriodSeconds`),
  ];
  if (spec.dnsPolicy === 'None' && (spec.dnsConfig?.nameservers ?? []).length === 0) {
    errors.push(
      required(`${path}.dnsConfig.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'),
    );
  }
  if (spec.serviceAccountName)
    errors.push(...byName(isDns1123Subdomain, spec.serviceAccountName, `${path}.serviceAccountName`));
  if (spec.nodeName) errors.push(...byName(isDns1123Subdomain, spec.nodeName, `${path}.nodeName`));
  if (spec.hostname) errors.push(...byName(isDns1123Label, spec.hostname, `${path}.hostname`));
  if (spec.subdomain) errors.push(...byName(isDns1123Label, spec.subdomain, `${path}.subdomain`));
  if (spec.priorityClassName)
    errors.push(...byName(isDns1123Subdomain, spec.priorityClassName, `${path}.priorityClassName`));
  if (spec.activeDeadlineSeconds !== undefined) {
    const problems = inRange(spec.activeDeadlineSeconds, 1, 0x7fff_ffff);
    errors.push(
      ...problems.map((detail) => invalid(`${path}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, detail)),
    );
  }
  return errors;
}

export function validatePod(pod: Pod): FieldError[] {
  const errors = validatePodSpec(pod.spec ?? { containers: [] }, 'spec');
  if ((pod.spec?.ephemeralContainers ?? []).length > 0 && pod.metadata.resourceVersion === undefined) {
    errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'));
  }
  return errors;
}

const updatable =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** What of the spec of an existing pod may change: images, a shorter deadline, more tolerations, fewer scheduling gates. */
export function validatePodUpdate(pod: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = [];
  for (const list of ['containers', 'initContainers'] as const) {
    const [next, before] = [pod.spec[list] ?? [], old.spec[list] ?? []];
    if (next.length !== before.length) {
      const kind = list === 'containers' ? 'containers' : 'init containers';
      return [forbidden(`spec.${list}`, `pod updates may not add or remove ${kind}`)];
    }
    errors.push(...each(next, `spec.${list}`, ({ image }, at) => (image ? [] : [required(`${at}.image`)])));
  }
  errors.push(...validateDeadline(pod.spec.activeDeadlineSeconds, old.spec.activeDeadlineSeconds));
  errors.push(...each(pod.spec.tolerations, 'spec.tolerations', validateToleration));
  const kept = (old.spec.tolerations ?? []).every((one) =>
    (pod.spec.tolerations ?? []).some((other) => sameToleration(one, other)),
  );
  if (!kept)
    errors.push(forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'));
  const gates = (old.spec.schedulingGates ?? []).map(({ name }) => name);
  for (const { name } of pod.spec.schedulingGates ?? []) {
    if (!gates.includes(name))
      errors.push(
        forbidden('spec.schedulingGates', `only deletion is allowed, but found new scheduling gate '${name}'`),
      );
  }
  if (errors.length > 0) return errors;
  const [next, before] = [frozenParts(pod.spec, old.spec), frozenParts(old.spec, old.spec)];
  if (jsonEqual(next, before)) return [];
  return [forbidden('spec', `pod updates may not change fields other than ${updatable}\n${specDiff(before, next)}`)];
}

function validateDeadline(next: number | undefined, before: number | undefined): FieldError[] {
  const path = 'spec.activeDeadlineSeconds';
  if (next !== undefined) {
    const problems = inRange(next, 1, 0x7fff_ffff).map((detail) => invalid(path, next, detail));
    if (problems.length > 0) return problems;
    if (before !== undefined && next > before)
      return [invalid(path, next, 'must be less than or equal to previous value')];
  } else if (before !== undefined) return [invalid(path, null, 'must not update from a positive integer to nil value')];
  return [];
}

const sameToleration = (a: Toleration, b: Toleration): boolean =>
  jsonEqual(omit(a, 'tolerationSeconds'), omit(b, 'tolerationSeconds'));

/** The spec with what may change taken from `old`. */
function frozenParts(spec: PodSpec, old: PodSpec): object {
  const images = (list: readonly Container[] | undefined) => list?.map((container) => omit(container, 'image'));
  const grace = (old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1;
  const rest = omit(spec, 'activeDeadlineSeconds', 'tolerations', 'schedulingGates', 'containers', 'initContainers');
  return {
    ...rest,
    containers: images(spec.containers),
    initContainers: images(spec.initContainers),
    ...(grace ? { terminationGracePeriodSeconds: old.terminationGracePeriodSeconds } : {}),
    ...((old.schedulingGates ?? []).length > 0 ? { nodeSelector: undefined, affinity: undefined } : {}),
  };
}

function specDiff(before: object, next: object): string {
  const [old, now] = [before as Readonly<Record<string, unknown>>, next as Readonly<Record<string, unknown>>];
  return Object.keys({ ...old, ...now })
    .filter((key) => !jsonEqual(old[key], now[key]))
    .map((key) => `- "${key}": ${JSON.stringify(old[key] ?? null)}\n+ "${key}": ${JSON.stringify(now[key] ?? null)}`)
    .join('\n');
}
