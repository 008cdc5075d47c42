import type { Service, ServicePort, ServiceSpec } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { invalid, invalidError, type FieldError } from '#api/validation/errors';
import { cidrSize, formatCidr, formatIpv4, parseIpv4, type Ipv4Block } from '#base/ip';
import type { Context } from '#base/context';
import type { Random } from '#base/random';
import type { Reservation, ResourceHooks } from '../resource-hooks.ts';
import type { AllocationOwnership } from './allocation-ownership.ts';
import { RangeAllocator, type AllocationFailure } from './allocator.ts';
import { allocatesNodePorts, dropFieldsOfOldType, hasNodePorts, needsHealthCheckPort } from './type-fields.ts';

type ServiceObject = Service & KubeObject;

export const nodePortRange = { first: 30_000, size: 2768 } as const;

export interface ServiceHooksOptions {
  readonly cidr: Ipv4Block;
  readonly ownership: AllocationOwnership;
  /** All Services, as far as the watch cache knows, and how far that is. */
  readonly services: () => { readonly revision: number; readonly objects: readonly KubeObject[] };
  readonly catchUp: (context: Context) => Promise<void>;
  readonly random: Random;
}

/** What one write took and the cache may not show yet. */
interface Claim {
  readonly ips: Set<number>;
  readonly ports: Set<number>;
  /** When the write happened; undefined while it is under way. */
  atRevision: number | undefined;
}

/**
 * Cluster IPs and node ports of Services (upstream: `registry/core/service/storage/alloc.go`, release 1.36). What is in use
 * is read from the Services themselves, plus what writes under way have claimed, so that nothing can leak and a restart
 * has nothing to repair.
 */
export class ServiceHooks implements ResourceHooks {
  readonly #options: ServiceHooksOptions;
  readonly #ips: RangeAllocator;
  readonly #ports: RangeAllocator;
  readonly #claims = new Set<Claim>();

  readonly ownership: AllocationOwnership;

  constructor(options: ServiceHooksOptions) {
    this.#options = options;
    this.ownership = options.ownership;
    // Neither the network's own address nor the broadcast address is given out.
    this.#ips = new RangeAllocator(options.cidr.base + 1, Math.max(1, cidrSize(options.cidr) - 2), options.random);
    this.#ports = new RangeAllocator(nodePortRange.first, nodePortRange.size, options.random);
  }

  adopt(next: KubeObject, old: KubeObject): KubeObject {
    return adoptAllocated(next as ServiceObject, old as ServiceObject);
  }

  beginCreate(object: KubeObject): Reservation {
    return this.#reserve(object as ServiceObject, undefined);
  }

  beginUpdate(next: KubeObject, old: KubeObject): Reservation {
    return this.#reserve(next as ServiceObject, old as ServiceObject);
  }

  catchUp(context: Context): Promise<void> {
    return this.#options.catchUp(context);
  }

  #reserve(service: ServiceObject, old: ServiceObject | undefined): Reservation {
    const claim: Claim = { ips: new Set(), ports: new Set(), atRevision: undefined };
    const inUse = this.#inUse();
    const held = old ? heldBy(old) : { ips: new Set<number>(), ports: new Set<number>() };
    const addressed = this.#withClusterIp(service, inUse.ips, held.ips, claim);
    const reachable = this.#withNodePorts(service, addressed, inUse.ports, held.ports, claim);
    const spec = this.#withHealthCheckPort(service, reachable, inUse.ports, held.ports, claim);
    this.#claims.add(claim);
    return {
      object: spec === service.spec ? service : { ...service, spec },
      takes: claim.ips.size + claim.ports.size > 0,
      revert: () => this.#claims.delete(claim),
      commit: (revision) => {
        claim.atRevision = revision;
      },
    };
  }

  /** What Services hold. A claim is forgotten when the Services are known as of its write: they tell whether it still holds. */
  #inUse(): { ips: Set<number>; ports: Set<number> } {
    const ips = new Set<number>();
    const ports = new Set<number>();
    const { revision, objects } = this.#options.services();
    for (const service of objects) {
      const held = heldBy(service as ServiceObject);
      for (const ip of held.ips) ips.add(ip);
      for (const port of held.ports) ports.add(port);
    }
    for (const claim of this.#claims) {
      if (claim.atRevision !== undefined && claim.atRevision <= revision) {
        this.#claims.delete(claim);
        continue;
      }
      for (const ip of claim.ips) ips.add(ip);
      for (const port of claim.ports) ports.add(port);
    }
    return { ips, ports };
  }

  #withClusterIp(service: ServiceObject, inUse: Set<number>, held: Set<number>, claim: Claim): ServiceSpec {
    const { spec } = service;
    if (spec.type === 'ExternalName') return spec;
    const families = { ipFamilies: spec.ipFamilies ?? ['IPv4'], ipFamilyPolicy: spec.ipFamilyPolicy ?? 'SingleStack' };
    const asked = spec.clusterIP || spec.clusterIPs?.[0];
    if (asked === 'None') return { ...spec, clusterIP: 'None', clusterIPs: ['None'], ...families };
    const ip = asked ? this.#askedIp(service, asked, inUse, held) : this.#ips.pick(inUse);
    if (ip === undefined) {
      throw new StatusError('InternalError', 'Internal error occurred: failed to allocate a serviceIP: range is full');
    }
    if (!held.has(ip)) claim.ips.add(ip);
    const text = formatIpv4(ip);
    return { ...spec, clusterIP: text, clusterIPs: [text], ...families };
  }

  #askedIp(service: ServiceObject, asked: string, inUse: Set<number>, held: Set<number>): number {
    const ip = parseIpv4(asked);
    const failure = ip === undefined ? 'out-of-range' : held.has(ip) ? undefined : this.#ips.check(ip, inUse);
    if (ip !== undefined && failure === undefined) return ip;
    const range = formatCidr(this.#options.cidr);
    const detail =
      failure === 'taken'
        ? 'provided IP is already allocated'
        : `the provided IP (${asked}) is not in the valid range. The range of valid IPs is ${range}`;
    throw refusal(service, [invalid('spec.clusterIPs', [asked], `failed to allocate IP ${asked}: ${detail}`)]);
  }

  #withNodePorts(
    service: ServiceObject,
    spec: ServiceSpec,
    inUse: Set<number>,
    held: Set<number>,
    claim: Claim,
  ): ServiceSpec {
    if (!hasNodePorts(spec)) return spec;
    const errors: FieldError[] = [];
    // One number may serve the same port over TCP and UDP.
    const taken = new Map<number, Set<string>>();
    const ports = (spec.ports ?? []).map((port, index): ServicePort => {
      const { protocol = 'TCP' } = port;
      const twin = (spec.ports ?? []).find(
        (other, i) => i < index && other.port === port.port && other.nodePort === undefined,
      );
      const wanted = port.nodePort || undefined;
      const shared = wanted !== undefined && taken.get(wanted)?.has(protocol) === false;
      const failure = wanted === undefined || held.has(wanted) || shared ? undefined : this.#ports.check(wanted, inUse);
      if (failure) errors.push(portError(index, wanted ?? 0, failure));
      if (wanted === undefined && !allocatesNodePorts(spec)) return port;
      const twinPort = twin && [...taken].find(([, protocols]) => !protocols.has(protocol))?.[0];
      const nodePort = wanted ?? twinPort ?? this.#ports.pick(inUse);
      if (nodePort === undefined) {
        errors.push(portError(index, 0, 'full'));
        return port;
      }
      inUse.add(nodePort);
      if (!held.has(nodePort)) claim.ports.add(nodePort);
      taken.set(nodePort, (taken.get(nodePort) ?? new Set()).add(protocol));
      return { ...port, nodePort };
    });
    if (errors.length > 0) throw refusal(service, errors);
    return { ...spec, ports };
  }

  #withHealthCheckPort(
    service: ServiceObject,
    spec: ServiceSpec,
    inUse: Set<number>,
    held: Set<number>,
    claim: Claim,
  ): ServiceSpec {
    if (!needsHealthCheckPort(spec)) return spec;
    const asked = spec.healthCheckNodePort || undefined;
    const failure = asked === undefined || held.has(asked) ? undefined : this.#ports.check(asked, inUse);
    const healthCheckNodePort = asked ?? this.#ports.pick(inUse);
    if (failure || healthCheckNodePort === undefined) {
      const error = portError(0, asked ?? 0, failure ?? 'full');
      throw refusal(service, [{ ...error, field: 'spec.healthCheckNodePort' }]);
    }
    if (!held.has(healthCheckNodePort)) claim.ports.add(healthCheckNodePort);
    return { ...spec, healthCheckNodePort };
  }
}

function refusal(service: ServiceObject, errors: readonly FieldError[]): StatusError {
  return invalidError({ group: '', kind: 'Service' }, service.metadata.name ?? '', errors);
}

function portError(index: number, port: number, failure: AllocationFailure): FieldError {
  const { first, size } = nodePortRange;
  const details: Readonly<Record<AllocationFailure, string>> = {
    taken: 'provided port is already allocated',
    'out-of-range': `provided port is not in the valid range. The range of valid ports is ${first}-${first + size - 1}`,
    full: 'failed to allocate a nodePort: range is full',
  };
  return invalid(`spec.ports[${index}].nodePort`, port, details[failure]);
}

function heldBy({ spec }: ServiceObject): { ips: Set<number>; ports: Set<number> } {
  const ips = (spec.clusterIPs ?? []).map(parseIpv4).filter((ip) => ip !== undefined);
  const nodePorts = (spec.ports ?? []).map(({ nodePort }) => nodePort ?? 0);
  const ports = [...nodePorts, spec.healthCheckNodePort ?? 0].filter((port) => port !== 0);
  return { ips: new Set(ips), ports: new Set(ports) };
}

/** Keeps the cluster IP and the node ports a writer does not mention, and drops node ports a type has no use for. */
function adoptAllocated(next: ServiceObject, old: ServiceObject): ServiceObject {
  const was = old.spec;
  let spec = dropFieldsOfOldType(next.spec, was);
  if (spec.type === 'ExternalName') return dropClusterIp(spec === next.spec ? next : { ...next, spec }, old);
  if (needsHealthCheckPort(spec) && !spec.healthCheckNodePort && was.healthCheckNodePort) {
    spec = { ...spec, healthCheckNodePort: was.healthCheckNodePort };
  }
  if (was.type !== 'ExternalName' && !spec.clusterIP && !spec.clusterIPs?.length && was.clusterIP) {
    spec = { ...spec, clusterIP: was.clusterIP, ...(was.clusterIPs ? { clusterIPs: was.clusterIPs } : {}) };
  } else if (spec.clusterIP && !spec.clusterIPs?.length) spec = { ...spec, clusterIPs: [spec.clusterIP] };
  if (was.type !== 'ExternalName') {
    if (!spec.ipFamilies && was.ipFamilies) spec = { ...spec, ipFamilies: was.ipFamilies };
    if (!spec.ipFamilyPolicy && was.ipFamilyPolicy) spec = { ...spec, ipFamilyPolicy: was.ipFamilyPolicy };
  }
  if (spec.ports) spec = { ...spec, ports: spec.ports.map((port) => adoptNodePort(port, spec, was)) };
  return spec === next.spec ? next : { ...next, spec };
}

function adoptNodePort(port: ServicePort, spec: ServiceSpec, was: ServiceSpec): ServicePort {
  const before = was.ports?.find(
    (one) => one.port === port.port && (one.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
  );
  if (hasNodePorts(spec)) {
    return !port.nodePort && before?.nodePort && allocatesNodePorts(spec)
      ? { ...port, nodePort: before.nodePort }
      : port;
  }
  const leftOver = spec.type === 'ClusterIP' && hasNodePorts(was) && port.nodePort === before?.nodePort;
  if (!leftOver || port.nodePort === undefined) return port;
  const { nodePort: _, ...rest } = port;
  return rest;
}

function dropClusterIp(next: ServiceObject, old: ServiceObject): ServiceObject {
  if (old.spec.type === 'ExternalName' || next.spec.clusterIP !== old.spec.clusterIP) return next;
  const { clusterIP: _1, clusterIPs: _2, ipFamilies: _3, ipFamilyPolicy: _4, ...spec } = next.spec;
  return { ...next, spec };
}
