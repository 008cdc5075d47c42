import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SharedInformerFactory } from '#client/informer';
import { RestClient } from '#client/rest-client';
import { machinePaths, runtimeLayout } from '#machines/machine';
import { ProgramKernel } from '#network/kernel';
import { cleanUp } from '#network/cleanup';
import { writeWhole } from '#network/cni/cni-config';
import { runNodeResolver } from '#network/dns/node-resolver';
import { NetworkAgent } from '#network/network-agent';
import { applySysctls } from '#network/node-setup';
import { runApiRelay } from '#network/relay/api-relay';
import { driverLabel, networkAnnotations, nodeResolverPort } from './agent-config.ts';
import { apiTransport, type AgentProcess } from './process.ts';

const sysctlFile = join(machinePaths.agentState, 'network-sysctls.json');

/**
 * The network agent of a node: first the relay, since every other program of the node reaches the API server through it.
 * `network cleanup` takes away what it ever set on the machine, and ends.
 */
export const runNetwork: AgentProcess = async (life, options) => {
  const { config, clock, random, logger } = options;
  const { nodeName, networkId, clusterCidr, serviceCidr, apiAddress, apiUpstreams } = config;
  const kernel = new ProgramKernel();
  if (options.args[0] === 'cleanup') {
    await cleanUp(life, {
      kernel,
      logger,
      apiIp: apiAddress.ip,
      cniFolder: runtimeLayout(config.driver).cniConfig,
      sysctlFile,
    });
    return;
  }
  await kernel.run(life, ['ip', 'link', 'set', 'lo', 'up']);
  await kernel.run(life, ['ip', 'addr', 'replace', `${apiAddress.ip}/32`, 'dev', 'lo']);
  await runApiRelay(life, { listen: apiAddress, upstreams: apiUpstreams, clock, logger: logger.named('relay') });
  void runNodeResolver(life, {
    ...{ address: { ip: apiAddress.ip, port: nodeResolverPort }, resolvConf: '/etc/resolv.conf' },
    ...{ except: config.clusterDNS, clock, random, logger: logger.named('resolver') },
  });
  await applySysctls(kernel, life, logger, async (before) => {
    // The first life's: later ones would remember what we set ourselves.
    if (!existsSync(sysctlFile)) await writeWhole(sysctlFile, JSON.stringify(before));
  });
  const client = new RestClient(apiTransport(config, config.network, 'drydock-network'));
  const agent = new NetworkAgent({
    ...{ nodeName, networkId, clusterCidr, serviceCidr, kernel, client, clock, random, logger },
    keys: { ...networkAnnotations, driver: driverLabel },
    cniFolder: runtimeLayout(config.driver).cniConfig,
    informers: new SharedInformerFactory({ client, clock, random, logger }),
  });
  agent.start(life);
  await new Promise<void>((resolve) => life.onEnd(resolve));
};
