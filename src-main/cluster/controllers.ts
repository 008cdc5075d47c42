import type { Clock } from '#base/clock';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from '#client/client';
import { ControllerManager, type ControllerDescriptor } from '#controller-manager/controller-manager';
import { CronJobController } from '#controller-manager/cronjob/cron-job-controller';
import { DaemonSetController } from '#controller-manager/daemonset/daemon-set-controller';
import { DeploymentController } from '#controller-manager/deployment/deployment-controller';
import { EndpointsController } from '#controller-manager/endpoints/endpoints-controller';
import { EndpointSliceController } from '#controller-manager/endpointslice/endpoint-slice-controller';
import { GarbageCollector } from '#controller-manager/garbage-collector/garbage-collector';
import { JobController } from '#controller-manager/job/job-controller';
import { NamespaceController } from '#controller-manager/namespace/namespace-controller';
import { NodeIpamController } from '#controller-manager/node-ipam/node-ipam-controller';
import { NodeLifecycleController } from '#controller-manager/node-lifecycle/node-lifecycle-controller';
import { TaintEvictionController } from '#controller-manager/node-lifecycle/taint-eviction-controller';
import { PodGcController } from '#controller-manager/pod-gc/pod-gc-controller';
import { ReplicaSetController } from '#controller-manager/replicaset/replica-set-controller';
import { RootCaPublisher } from '#controller-manager/root-ca-publisher/root-ca-publisher';
import { ServiceAccountController } from '#controller-manager/service-account/service-account-controller';
import { StatefulSetController } from '#controller-manager/statefulset/stateful-set-controller';
import { TtlAfterFinishedController } from '#controller-manager/ttl-after-finished/ttl-after-finished-controller';

export interface ControllersOptions {
  readonly master: string;
  readonly client: KubeClient;
  /** A client that speaks as the controller's own service account in kube-system. */
  readonly clientOf: (serviceAccount: string) => KubeClient;
  readonly caCertificate: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** kube-controller-manager with every controller there is, named as upstream names their service accounts. */
export function createControllerManager(options: ControllersOptions): ControllerManager {
  const { master, client, clientOf, clock, random, logger } = options;
  const controllers = descriptors(options.caCertificate);
  return new ControllerManager({ name: `kube-controller-manager/${master}`, client, clientOf, clock, random, logger, controllers });
}

function descriptors(rootCa: string): readonly ControllerDescriptor[] {
  return [
    { name: 'namespace-controller', create: (options) => new NamespaceController(options) },
    { name: 'service-account-controller', create: (options) => new ServiceAccountController(options) },
    { name: 'root-ca-cert-publisher', create: (options) => new RootCaPublisher({ ...options, rootCa }) },
    { name: 'node-controller', create: (options) => new NodeIpamController(options) },
    { name: 'node-controller', create: (options) => new NodeLifecycleController(options) },
    { name: 'node-controller', eventSource: 'taint-eviction-controller', create: (options) => new TaintEvictionController(options) },
    { name: 'deployment-controller', create: (options) => new DeploymentController(options) },
    { name: 'replicaset-controller', create: (options) => new ReplicaSetController(options) },
    { name: 'statefulset-controller', create: (options) => new StatefulSetController(options) },
    { name: 'daemon-set-controller', eventSource: 'daemonset-controller', create: (options) => new DaemonSetController(options) },
    { name: 'job-controller', create: (options) => new JobController(options) },
    { name: 'cronjob-controller', create: (options) => new CronJobController(options) },
    { name: 'ttl-after-finished-controller', create: (options) => new TtlAfterFinishedController(options) },
    { name: 'endpointslice-controller', eventSource: 'endpoint-slice-controller', create: (options) => new EndpointSliceController(options) },
    { name: 'endpoint-controller', create: (options) => new EndpointsController(options) },
    { name: 'pod-garbage-collector', create: (options) => new PodGcController(options) },
    { name: 'generic-garbage-collector', create: (options) => new GarbageCollector(options) },
  ];
}
