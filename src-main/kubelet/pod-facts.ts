import type { Container, Pod } from '#api/gen/types';

/** Small truths about a pod that many parts of the kubelet ask for. */

export function podKey(pod: Pod): string {
  return `${pod.metadata.namespace ?? ''}/${pod.metadata.name ?? ''}`;
}

export function uidOf(pod: Pod): string {
  return pod.metadata.uid ?? '';
}

/** `web-0_default(7f3c...)`, how the kubelet names pods in messages. */
export function formatPod(pod: Pod): string {
  return `${pod.metadata.name ?? ''}_${pod.metadata.namespace ?? ''}(${uidOf(pod)})`;
}

/** A restartable init container: starts before the others, runs beside them. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

export function initContainersOf(pod: Pod): readonly Container[] {
  return pod.spec.initContainers ?? [];
}

export function allContainers(pod: Pod): readonly Container[] {
  return [...initContainersOf(pod), ...pod.spec.containers];
}

export function findContainer(pod: Pod, name: string): Container | undefined {
  return [...allContainers(pod), ...ephemeralOf(pod)].find((container) => container.name === name);
}

export function ephemeralOf(pod: Pod): readonly Container[] {
  return (pod.spec.ephemeralContainers ?? []).map((container) => container as Container);
}

/** The `fieldPath` of events about a container. */
export function containerFieldPath(pod: Pod, name: string): string {
  const list = initContainersOf(pod).some((container) => container.name === name)
    ? 'initContainers'
    : pod.spec.containers.some((container) => container.name === name)
      ? 'containers'
      : 'ephemeralContainers';
  return `spec.${list}{${name}}`;
}

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** The pod's host name by the rules of `spec.hostname`: at most 63 characters. */
export function hostnameOf(pod: Pod, nodeName: string): string {
  if (pod.spec.hostNetwork) return nodeName;
  return (
    pod.spec.hostnameOverride ?? (pod.spec.hostname || (pod.metadata.name ?? '').slice(0, 63).replace(/[-.]+$/, ''))
  );
}

/** Whether a container that ended with `exitCode` is started again. */
export function shouldRestart(pod: Pod, container: Container, exitCode: number): boolean {
  const init = initContainersOf(pod).includes(container);
  if (isSidecar(container)) return true;
  for (const rule of container.restartPolicyRules ?? []) {
    const values = rule.exitCodes?.values ?? [];
    const matches = rule.exitCodes?.operator === 'NotIn' ? !values.includes(exitCode) : values.includes(exitCode);
    if (rule.action === 'Restart' && matches) return true;
  }
  const policy = container.restartPolicy ?? pod.spec.restartPolicy ?? 'Always';
  if (policy === 'Never') return false;
  if (policy === 'OnFailure' || init) return exitCode !== 0;
  return true;
}
