import type { Pod } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';

/** A container of a pod on a node: where a stream leads. */
export interface PodTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly container: string;
  /** Undefined while the pod waits for a node. */
  readonly nodeName: string | undefined;
}

type StoredPod = KubeObject & Pod;

/** The container that is asked for, or the only one there is (`registry/core/pod/strategy.go`, release 1.36). Throws BadRequest. */
export function targetOf(object: KubeObject, container: string): PodTarget {
  const pod = object as StoredPod;
  const { name = '', namespace = '', uid = '' } = pod.metadata;
  return {
    namespace,
    pod: name,
    uid,
    container: containerOf(pod, container),
    nodeName: pod.spec.nodeName || undefined,
  };
}

function containerOf({ metadata, spec }: StoredPod, asked: string): string {
  const names = spec.containers.map((container) => container.name);
  const initNames = (spec.initContainers ?? []).map((container) => container.name);
  const ephemeralNames = (spec.ephemeralContainers ?? []).map((container) => container.name);
  const pod = metadata.name ?? '';
  if (asked !== '') {
    if ([...names, ...initNames, ...ephemeralNames].includes(asked)) return asked;
    throw new StatusError('BadRequest', `container ${asked} is not valid for pod ${pod}`);
  }
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  if (names.length === 0) throw new StatusError('BadRequest', `a container name must be specified for pod ${pod}`);
  const init = initNames.length > 0 ? ` or one of the init containers: [${initNames.join(' ')}]` : '';
  throw new StatusError(
    'BadRequest',
    `a container name must be specified for pod ${pod}, choose one of: [${names.join(' ')}]${init}`,
  );
}

/** The node of the pod. Throws BadRequest while it has none. */
export function requireNode({ nodeName, pod }: Pick<PodTarget, 'nodeName' | 'pod'>): string {
  if (nodeName === undefined) throw new StatusError('BadRequest', `pod ${pod} does not have a host assigned`);
  return nodeName;
}
