import type { Container, Pod, SeccompProfile as ApiSeccompProfile } from '#api/gen/types';
import type { ContainerSecurity, Image, SeccompProfile } from '#cri/cri';
import { allContainers, formatPod } from './pod-facts.ts';

/** Where profiles of type Localhost lie on the node. */
const seccompFolder = '/var/lib/kubelet/seccomp';

/** Who the container runs as; undefined leaves it to the image. */
export function runAsUserOf(pod: Pod, container: Container): number | undefined {
  return container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser;
}

/** What a container may, its own settings over the pod's (pkg/securitycontext and kuberuntime, release 1.36). */
export function containerSecurity(pod: Pod, container: Container): ContainerSecurity {
  const own = container.securityContext ?? {};
  const shared = pod.spec.securityContext ?? {};
  const runAsGroup = own.runAsGroup ?? shared.runAsGroup;
  const groups = [...(shared.supplementalGroups ?? []), ...(shared.fsGroup === undefined ? [] : [shared.fsGroup])];
  const { add = [], drop = [] } = own.capabilities ?? {};
  const seccomp = own.privileged ? undefined : seccompOf(own.seccompProfile ?? shared.seccompProfile);
  return {
    privileged: own.privileged ?? false,
    ...(add.length > 0 ? { addCapabilities: add.map(withoutPrefix) } : {}),
    ...(drop.length > 0 ? { dropCapabilities: drop.map(withoutPrefix) } : {}),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(groups.length > 0 ? { supplementalGroups: groups } : {}),
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    ...(seccomp ? { seccomp } : {}),
  };
}

function withoutPrefix(capability: string): string {
  return capability.replace(/^CAP_/, '');
}

function seccompOf(profile: ApiSeccompProfile | undefined): SeccompProfile | undefined {
  if (!profile) return undefined;
  if (profile.type === 'Localhost') {
    return { type: 'Localhost', path: `${seccompFolder}/${profile.localhostProfile ?? ''}` };
  }
  return { type: profile.type === 'RuntimeDefault' ? 'RuntimeDefault' : 'Unconfined' };
}

/** Why the container may not run: it must not be root and would be, or nobody can tell. Undefined when it may. */
export function nonRootProblem(pod: Pod, container: Container, image: Image | undefined): string | undefined {
  if (!(container.securityContext?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot)) return undefined;
  const where = `(pod: "${formatPod(pod)}", container: ${container.name})`;
  const user = runAsUserOf(pod, container);
  if (user === 0) return `container's runAsUser breaks non-root policy ${where}`;
  if (user !== undefined) return undefined;
  if (image?.username && image.uid === undefined) {
    return `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`;
  }
  return image?.uid ? undefined : `container has runAsNonRoot and image will run as root ${where}`;
}

export function hasPrivilegedContainer(pod: Pod): boolean {
  return allContainers(pod).some((container) => container.securityContext?.privileged);
}
