import type { Pod, PriorityClass, Toleration } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { forbidden } from '../storage/errors.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';
const defaultTolerationSeconds = 300;

function isPodWrite({ operation, served, subresource }: AdmissionRequest): boolean {
  return served.resource === 'pods' && served.group === '' && subresource === '' && operation !== 'DELETE';
}

/** DefaultTolerationSeconds (release 1.36): a pod stays five minutes on a node that is not ready or unreachable. */
export const defaultTolerations: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  admit: (request) => {
    const { object, operation } = request;
    if (!isPodWrite(request) || operation !== 'CREATE') return object;
    const pod = object as Pod & KubeObject;
    const tolerations = pod.spec.tolerations ?? [];
    const missing = [notReady, unreachable].filter((key) => !tolerations.some((one) => toleratesNoExecute(one, key)));
    if (missing.length === 0) return pod;
    const added = missing.map((key): Toleration => {
      return { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: defaultTolerationSeconds };
    });
    return { ...pod, spec: { ...pod.spec, tolerations: [...tolerations, ...added] } };
  },
};

function toleratesNoExecute({ key = '', effect = '' }: Toleration, taint: string): boolean {
  return (key === taint || key === '') && (effect === 'NoExecute' || effect === '');
}

/** Finds priority classes; `default` is the class marked as global default. */
export interface PriorityClassReader {
  get(name: string): PriorityClass | undefined;
  globalDefault(): PriorityClass | undefined;
}

/** Priority (plugin/pkg/admission/priority, release 1.36): the class named by a pod becomes a number in its spec. */
export function priority(classes: PriorityClassReader): AdmissionPlugin {
  return {
    name: 'Priority',
    admit: (request) => {
      const { object, operation, served } = request;
      if (!isPodWrite(request) || operation !== 'CREATE') return object;
      const pod = object as Pod & KubeObject;
      const { priorityClassName, priority: asked } = pod.spec;
      const name = pod.metadata.name ?? '';
      const found = priorityClassName ? classes.get(priorityClassName) : classes.globalDefault();
      if (priorityClassName && !found) {
        throw forbidden(served, name, `no PriorityClass with name ${priorityClassName} was found`);
      }
      const value = found?.value ?? 0;
      if (asked !== undefined && asked !== value) {
        const message = `the integer value of priority (${asked}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`;
        throw forbidden(served, name, message);
      }
      const className = priorityClassName || found?.metadata?.name;
      const { preemptionPolicy = found?.preemptionPolicy ?? 'PreemptLowerPriority' } = pod.spec;
      const named = className ? { priorityClassName: className } : {};
      return { ...pod, spec: { ...pod.spec, ...named, priority: value, preemptionPolicy } };
    },
  };
}
