import type { PriorityClass } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { KubeObject } from '#api/machinery/object';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { present } from '#base/errors';
import type { Ipv4Block } from '#base/ip';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { EtcdClient } from '#etcd/client';
import { AdmissionChain, type AdmissionPlugin, type AdmissionRequest } from '../admission/admission.ts';
import { certificateRequests } from '../admission/certificate-requests.ts';
import { namespaceLifecycle } from '../admission/namespace-lifecycle.ts';
import { nodeRestriction, taintNewNodes } from '../admission/node-plugins.ts';
import { defaultTolerations, priority } from '../admission/pod-plugins.ts';
import { serviceAccount } from '../admission/service-account.ts';
import type { ApiServerDelegates } from '../delegates.ts';
import { WriteMemory } from '../storage/object-codec.ts';
import { ObjectLeases } from '../storage/object-leases.ts';
import { ObjectLister } from '../storage/object-list.ts';
import { ObjectStore } from '../storage/object-store.ts';
import { WriteRecorder } from '../storage/write-recorder.ts';
import { Deletes } from './deletes.ts';
import { Dispatcher } from './dispatcher.ts';
import { ObjectVerbs } from './object-verbs.ts';
import { Reads } from './reads.ts';
import { ResourceRegistry } from './resource-registry.ts';
import { schemaEditor } from './schema-editor.ts';
import { AllocationOwnership } from './services/allocation-ownership.ts';
import { ServiceHooks } from './services/service-hooks.ts';
import { EvictionSubresource } from './subresources/eviction.ts';
import { ScaleSubresource } from './subresources/scale.ts';
import { Writes } from './writes.ts';

export interface AssemblyOptions {
  /** Of the server, unique in its cluster. */
  readonly name: string;
  readonly etcd: EtcdClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly serviceCidr: Ipv4Block;
  readonly delegates: ApiServerDelegates;
}

export interface AssembledRegistry {
  readonly resources: ResourceRegistry;
  readonly dispatcher: Dispatcher;
}

/** Puts storage, caches, admission and verbs together for one life of the server. */
export function assembleRegistry(options: AssemblyOptions): AssembledRegistry {
  const { etcd, clock, random, logger, delegates } = options;
  const memory = new WriteMemory();
  const resources = new ResourceRegistry({ server: options.name, etcd, memory, clock, logger });
  const recorder = new WriteRecorder(etcd, clock, random);
  const leases = new ObjectLeases(etcd, clock);
  const store = new ObjectStore({ etcd, recorder, memory, decoded: resources, leases });
  const reads = new Reads(store, new ObjectLister(etcd, resources), random);
  const hooks = new Map([['services', serviceHooks(options, resources)]]);
  const read = readerOf(resources, store);
  const nodes = nodeRestriction((request, namespace, name) => read(request, 'pods', namespace, name));
  const admission = new AdmissionChain([
    ...admissionPlugins(resources, read, random),
    nodes,
    certificateRequests(clock),
    ...delegates.admission,
  ]);
  const writes = new Writes({ store, admission, editor: schemaEditor, hooks, clock, random });
  const deletes = new Deletes({ store, reads, admission, clock });
  const budgets = resources.find('policy', 'v1', 'poddisruptionbudgets');
  const dispatcher = new Dispatcher({
    store,
    reads,
    deletes,
    delegates,
    tokenAdmission: new AdmissionChain([nodes]),
    clock,
    editor: schemaEditor,
    pods: present(resources.find('', 'v1', 'pods'), 'pods are served'),
    verbs: new ObjectVerbs(writes, schemaEditor, clock),
    scale: new ScaleSubresource(reads, writes, schemaEditor),
    eviction: new EvictionSubresource(reads, deletes, store, budgets, clock),
  });
  return { resources, dispatcher };
}

function serviceHooks(options: AssemblyOptions, resources: ResourceRegistry): ServiceHooks {
  const { name: owner, etcd, clock, random, serviceCidr: cidr } = options;
  const cache = present(resources.find('', 'v1', 'services')?.cache, 'services have a watch cache');
  const waitFor = (context: Context, revision: number): Promise<void> => cache.waitFor(context, revision);
  return new ServiceHooks({
    ...{ cidr, random },
    ownership: new AllocationOwnership({ owner, etcd, waitFor, clock, random }),
    services: () => cache.snapshot(''),
    catchUp: (context) => cache.catchUp(context),
  });
}

type ObjectRead = (
  request: AdmissionRequest,
  resource: string,
  namespace: string,
  name: string,
) => Promise<KubeObject | undefined>;

/** Reads the cache first; it may not know yet of what was just created, so a miss is asked of the store. */
function readerOf(resources: ResourceRegistry, store: ObjectStore): ObjectRead {
  return async ({ context }, resource, namespace, name) => {
    const cached = resources.get('', resource, namespace, name);
    if (cached) return cached;
    const served = present(resources.find('', 'v1', resource), `${resource} are served`);
    return store.get(context, served, namespace, name).catch((error: unknown) => {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    });
  };
}

function admissionPlugins(resources: ResourceRegistry, read: ObjectRead, random: Random): readonly AdmissionPlugin[] {
  const classes = (): readonly PriorityClass[] =>
    resources.list('scheduling.k8s.io', 'priorityclasses') as readonly (KubeObject & PriorityClass)[];
  return [
    namespaceLifecycle((request, name) => read(request, 'namespaces', '', name)),
    serviceAccount((request, namespace, name) => read(request, 'serviceaccounts', namespace, name), random),
    taintNewNodes,
    priority({
      get: (name) => classes().find(({ metadata }) => metadata?.name === name),
      globalDefault: () => classes().find(({ globalDefault }) => globalDefault === true),
    }),
    defaultTolerations,
  ];
}
