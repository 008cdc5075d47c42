import { mkdirSync } from 'node:fs';
import { Backoff } from '#base/backoff';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { KubeClient } from '#client/client';
import { SharedInformerFactory } from '#client/informer';
import { ApiEventRecorder } from '#client/recorder';
import { RestClient } from '#client/rest-client';
import type { RuntimeService, RuntimeVersion } from '#cri/cri';
import { GrpcRuntime } from '#cri/grpc/runtime';
import { DelegatedAuthorizer } from '#kubelet/http/delegated-authorizer';
import { KubeletListener } from '#kubelet/http/kubelet-listener';
import { KubeletRoutes } from '#kubelet/http/kubelet-routes';
import { Kubelet } from '#kubelet/kubelet';
import type { MachineFacts } from '#kubelet/options';
import { cpuShares } from '#kubelet/qos';
import { kubeletMetrics } from '#kubelet/stats/metrics';
import { machinePaths } from '#machines/machine';
import { driverLabel } from './agent-config.ts';
import { HostCgroups } from './cgroups.ts';
import { HostFiles } from './host-files.ts';
import { HostLogFiles } from './host-log-files.ts';
import { HostNetwork } from './host-network.ts';
import { ProcHostStats } from './host-stats.ts';
import { establishIdentity, servingCertificate } from './kubelet-identity.ts';
import { readMachineFacts } from './machine-facts.ts';
import type { AgentProcess, AgentProcessOptions } from './process.ts';

const kubeletPort = 10250;

/** The kubelet of a real worker: identity, runtime, port 10250 and the kubelet itself, until `life` ends. */
export const runKubelet: AgentProcess = async (life, options) => {
  const { config, logger } = options;
  mkdirSync(machinePaths.kubeletState, { recursive: true });
  const runtime = new GrpcRuntime({ endpoint: config.criEndpoint, clock: options.clock, logger: logger.named('cri') });
  try {
    // Both may take a while on a machine that boots, and neither needs the other.
    const [transport, version] = await Promise.all([
      establishIdentity(life, options),
      awaitRuntime(life, runtime, options),
    ]);
    const machine = readMachineFacts(config, `${version.runtimeName}://${version.runtimeVersion.replace(/^v/, '')}`);
    await serve(life, options, { runtime, machine, client: new RestClient(transport) });
  } finally {
    runtime.close();
  }
};

interface Parts {
  readonly runtime: GrpcRuntime;
  readonly machine: MachineFacts;
  readonly client: KubeClient;
}

async function serve(life: Context, options: AgentProcessOptions, { runtime, machine, client }: Parts): Promise<void> {
  const { config, clock, random, logger } = options;
  const { nodeName } = config;
  const imageFs = (await runtime.imageFsInfo(life)).mountpoint;
  const stats = new ProcHostStats({ nodeFs: machinePaths.kubeletState, imageFs }, machine.memoryBytes);
  const kubelet = new Kubelet({
    ...{ nodeName, client, clock, random, logger, runtime, machine, stats },
    informers: () => new SharedInformerFactory({ client, clock, random, logger }),
    recorder: (own) =>
      new ApiEventRecorder({ client, clock, random, logger, component: 'kubelet', host: nodeName, life: own }),
    files: new HostFiles(),
    logFiles: new HostLogFiles(),
    cgroups: new HostCgroups({
      allocatable: { cpuShares: cpuShares(machine.cpus * 1000) },
      warn: (message) => logger.warn('a cgroup cannot be limited', { error: message }),
    }),
    network: new HostNetwork(),
    labels: { ...config.labels, [driverLabel]: config.driver },
    ...{ clusterDNS: config.clusterDNS, clusterDomain: config.clusterDomain },
    kubeletVersion: config.kubernetesVersion,
  });
  const certificates = await servingCertificate(options, client, machine.internalIP, (serving) =>
    listener.setServing(serving),
  );
  const listener = new KubeletListener({
    ...{ host: '0.0.0.0', port: kubeletPort, clientCa: config.caCertificate, serving: certificates.first },
    authorizer: new DelegatedAuthorizer(client, clock, nodeName),
    routes: new KubeletRoutes({
      server: kubelet.server,
      pods: () => kubelet.pods,
      metrics: (context) => kubeletMetrics(context, nodeName, kubelet.pods, kubelet.stats),
      summary: (context) => kubelet.stats.summary(context),
    }),
    logger,
  });
  await listener.start();
  try {
    await kubelet.start(life);
    certificates.run(life);
    logger.info('the kubelet runs', { node: nodeName, address: machine.internalIP });
    await new Promise<void>((resolve) => life.onEnd(resolve));
  } finally {
    await Promise.all([kubelet.stop(), listener.stop()]);
  }
}

/** Resolves when the runtime answers. */
async function awaitRuntime(
  life: Context,
  runtime: RuntimeService,
  { config, clock, random, logger }: AgentProcessOptions,
): Promise<RuntimeVersion> {
  const backoff = new Backoff({ initialMs: 100, factor: 1.5, maxMs: 5_000, jitter: 0 }, random);
  for (;;) {
    try {
      return await runtime.version(life);
    } catch (error) {
      life.check();
      logger.warn('waiting for the container runtime', { endpoint: config.criEndpoint, error: messageOf(error) });
      await clock.sleep(life, backoff.next());
    }
  }
}
