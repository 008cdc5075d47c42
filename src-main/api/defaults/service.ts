import type { EndpointSlice, Endpoints, Secret, Service, ServiceSpec } from '#api/gen/types';
import { encodeBase64 } from '../machinery/base64.ts';
import { mapShared, replaceFields, withDefaults } from './pod.ts';

/** Defaults of services and endpoints (`pkg/apis/core/v1/defaults.go`, release 1.36). */

const threeHours = 10_800;

function defaultAffinity(spec: ServiceSpec): ServiceSpec {
  if (spec.sessionAffinity === undefined || spec.sessionAffinity === 'None') {
    const { sessionAffinityConfig, ...rest } = spec;
    return withDefaults(sessionAffinityConfig === undefined ? spec : rest, { sessionAffinity: 'None' });
  }
  const timeoutSeconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? threeHours;
  return withDefaults(spec, { sessionAffinityConfig: { clientIP: { timeoutSeconds } } });
}

/** Addresses and families are given by the allocator in the API server, which knows the service network. */
export function defaultService(service: Service): Service {
  if (typeof service.spec !== 'object' || service.spec === null) return service;
  const typed = withDefaults(defaultAffinity(service.spec), { type: 'ClusterIP' });
  const external = typed.type === 'NodePort' || typed.type === 'LoadBalancer';
  const reachable = external || (typed.type === 'ClusterIP' && (typed.externalIPs ?? []).length > 0);
  const filled = withDefaults(typed, {
    ...(reachable ? { externalTrafficPolicy: 'Cluster' } : {}),
    ...(typed.type === 'ExternalName' ? {} : { internalTrafficPolicy: 'Cluster' }),
    ...(typed.type === 'LoadBalancer' ? { allocateLoadBalancerNodePorts: true } : {}),
  });
  const ports = mapShared(filled.ports, (port) => withDefaults(port, { protocol: 'TCP', targetPort: port.port }));
  return replaceFields(service, { spec: replaceFields(filled, ports ? { ports } : {}) });
}

export function defaultEndpoints(endpoints: Endpoints): Endpoints {
  const subsets = mapShared(endpoints.subsets, (subset) => {
    const ports = mapShared(subset.ports, (port) => withDefaults(port, { protocol: 'TCP' }));
    return replaceFields(subset, ports ? { ports } : {});
  });
  return replaceFields(endpoints, subsets ? { subsets } : {});
}

export function defaultEndpointSlice(slice: EndpointSlice): EndpointSlice {
  const ports = mapShared(slice.ports, (port) => withDefaults(port, { name: '', protocol: 'TCP' }));
  return replaceFields(slice, ports ? { ports } : {});
}

/** `stringData` is a way to write `data`: it is encoded into it and never stored. */
export function defaultSecret(secret: Secret): Secret {
  const typed = withDefaults(secret, { type: 'Opaque' });
  if (!typed.stringData) return typed;
  const { stringData, ...rest } = typed;
  const encoded = Object.entries(stringData).map(([key, value]) => [
    key,
    encodeBase64(new TextEncoder().encode(value)),
  ]);
  return { ...rest, data: { ...rest.data, ...Object.fromEntries(encoded) } };
}
