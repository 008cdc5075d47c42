import { CertificateApprovingController } from './certificates/approving-controller.ts';
import { CertificateCleanerController } from './certificates/cleaner-controller.ts';
import { KubeletServingApprover } from './certificates/serving-approver.ts';
import type { SigningAuthority } from './certificates/signing.ts';
import { CertificateSigningController } from './certificates/signing-controller.ts';
import type { ControllerDescriptor } from './controller-manager.ts';
import { CronJobController } from './cronjob/cron-job-controller.ts';
import { DaemonSetController } from './daemonset/daemon-set-controller.ts';
import { DeploymentController } from './deployment/deployment-controller.ts';
import { DisruptionController } from './disruption/disruption-controller.ts';
import { EndpointsController } from './endpoints/endpoints-controller.ts';
import { EndpointSliceController } from './endpointslice/endpoint-slice-controller.ts';
import { GarbageCollector } from './garbage-collector/garbage-collector.ts';
import { JobController } from './job/job-controller.ts';
import { NamespaceController } from './namespace/namespace-controller.ts';
import { NodeIpamController } from './node-ipam/node-ipam-controller.ts';
import { NodeLifecycleController } from './node-lifecycle/node-lifecycle-controller.ts';
import { TaintEvictionController } from './node-lifecycle/taint-eviction-controller.ts';
import { PodGcController } from './pod-gc/pod-gc-controller.ts';
import { ReplicaSetController } from './replicaset/replica-set-controller.ts';
import { RootCaPublisher } from './root-ca-publisher/root-ca-publisher.ts';
import { ServiceAccountController } from './service-account/service-account-controller.ts';
import type { AddressRange } from './service-lb/address-pool.ts';
import { ServiceLbController } from './service-lb/service-lb-controller.ts';
import { StatefulSetController } from './statefulset/stateful-set-controller.ts';
import { TokenCleaner } from './token-cleaner/token-cleaner.ts';
import { TtlAfterFinishedController } from './ttl-after-finished/ttl-after-finished-controller.ts';

export interface KubeControllersOptions {
  /** The cluster's authority, PEM: published to every namespace. */
  readonly rootCa: string;
  /** The authority that signs what CertificateSigningRequests ask for. */
  readonly signing: SigningAuthority;
  /** Where nodes get their pod ranges from. Default `10.244.0.0/16`. */
  readonly clusterCidr?: string;
  /**
   * Where Services of type LoadBalancer get their addresses from, asked when the controller starts; none: they wait for a
   * controller of the user's.
   */
  readonly loadBalancerPool?: () => AddressRange;
}

/** All controllers of a cluster, under upstream's names (kube-controller-manager `names`, release 1.36). */
export function kubeControllers(options: KubeControllersOptions): readonly ControllerDescriptor[] {
  const { loadBalancerPool: pool } = options;
  const balancers: readonly ControllerDescriptor[] = pool
    ? [
        {
          name: 'service-lb-controller',
          eventSource: 'service-controller',
          create: (o) => new ServiceLbController({ ...o, pool: pool() }),
        },
      ]
    : [];
  return [...clusterControllers(options), ...workloadControllers, ...balancers];
}

/** What concerns nodes, accounts and certificates. */
function clusterControllers({ rootCa, signing, clusterCidr }: KubeControllersOptions): readonly ControllerDescriptor[] {
  return [
    {
      name: 'node-ipam-controller',
      create: (o) => new NodeIpamController({ ...o, ...(clusterCidr ? { clusterCidr } : {}) }),
    },
    { name: 'serviceaccount-controller', create: (options) => new ServiceAccountController(options) },
    {
      name: 'root-ca-certificate-publisher-controller',
      create: (options) => new RootCaPublisher({ ...options, rootCa }),
    },
    {
      name: 'node-lifecycle-controller',
      eventSource: 'node-controller',
      create: (o) => new NodeLifecycleController(o),
    },
    { name: 'taint-eviction-controller', create: (options) => new TaintEvictionController(options) },
    {
      name: 'certificatesigningrequest-signing-controller',
      create: (options) => new CertificateSigningController({ ...options, signing }),
    },
    {
      name: 'certificatesigningrequest-approving-controller',
      create: (options) => new CertificateApprovingController(options),
    },
    {
      name: 'certificatesigningrequest-cleaner-controller',
      create: (options) => new CertificateCleanerController(options),
    },
    { name: 'kubelet-serving-approver', create: (options) => new KubeletServingApprover(options) },
    { name: 'token-cleaner-controller', create: (options) => new TokenCleaner(options) },
  ];
}

const workloadControllers: readonly ControllerDescriptor[] = [
  { name: 'deployment-controller', create: (options) => new DeploymentController(options) },
  { name: 'replicaset-controller', create: (options) => new ReplicaSetController(options) },
  { name: 'statefulset-controller', create: (options) => new StatefulSetController(options) },
  { name: 'daemonset-controller', create: (options) => new DaemonSetController(options) },
  { name: 'job-controller', create: (options) => new JobController(options) },
  { name: 'cronjob-controller', create: (options) => new CronJobController(options) },
  {
    name: 'endpointslice-controller',
    eventSource: 'endpoint-slice-controller',
    create: (o) => new EndpointSliceController(o),
  },
  { name: 'endpoints-controller', eventSource: 'endpoint-controller', create: (o) => new EndpointsController(o) },
  {
    name: 'disruption-controller',
    eventSource: 'controllermanager',
    create: (options) => new DisruptionController(options),
  },
  { name: 'namespace-controller', create: (options) => new NamespaceController(options) },
  { name: 'garbage-collector-controller', create: (options) => new GarbageCollector(options) },
  { name: 'pod-garbage-collector-controller', create: (options) => new PodGcController(options) },
  { name: 'ttl-after-finished-controller', create: (options) => new TtlAfterFinishedController(options) },
];
