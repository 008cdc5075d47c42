import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { formatLogEntry, SinkLogger } from '#base/logger';
import { freshSeed, SeededRandom } from '#base/random';
import { readAgentConfig, type AgentProcess, type AgentProcessOptions } from './node-agent/process.ts';

/**
 * The second bundle: one file that is every program of a real worker, started as `node node-agent.cjs <process>`. No
 * Electron, no native module, Node 18.
 */
const processes: Readonly<Record<string, () => Promise<AgentProcess>>> = {
  dns: async () => (await import('./node-agent/dns-process.ts')).runDns,
  'kube-proxy': async () => (await import('./node-agent/kube-proxy-process.ts')).runKubeProxy,
  kubelet: async () => (await import('./node-agent/kubelet-process.ts')).runKubelet,
  fault: async () => (await import('./node-agent/faults/fault-process.ts')).runFault,
  network: async () => (await import('./node-agent/network-process.ts')).runNetwork,
  'prepare-image': async () => (await import('./node-agent/prepare-image.ts')).prepareImage,
  supervise: async () => (await import('./node-agent/supervisor.ts')).runSupervisor,
};

async function main(name: string | undefined, args: readonly string[]): Promise<number> {
  const load = name === undefined ? undefined : processes[name];
  if (name === undefined || !load) {
    process.stderr.write(`node-agent: unknown process ${name ?? ''}; known: ${Object.keys(processes).join(', ')}\n`);
    return 2;
  }
  const clock = new RealClock();
  const logger = new SinkLogger(clock, (entry) => process.stderr.write(`${formatLogEntry(entry)}\n`), 'info', name);
  const { context, cancel } = Context.background().withCancel();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, cancel);
  try {
    const run = await load();
    const random = new SeededRandom(freshSeed());
    const options: AgentProcessOptions = {
      // Read when it is asked for: a process that runs in a pod has none.
      get config() {
        return readAgentConfig();
      },
      ...{ args, clock, random, logger },
    };
    await run(context, options);
    return 0;
  } catch (error) {
    if (context.ended) return 0;
    logger.error('the process ends', { error: messageOf(error) });
    return 1;
  }
}

void main(process.argv[2], process.argv.slice(3)).then((code) => process.exit(code));
