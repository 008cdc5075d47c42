/** The process `kube-proxy` of the agent, as node-agent.ts starts it, with the configuration in the file that is named. */
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { formatLogEntry, SinkLogger } from '#base/logger';
import { freshSeed, SeededRandom } from '#base/random';
import { runKubeProxy } from '../../../src-main/node-agent/kube-proxy-process.ts';
import { readAgentConfig } from '../../../src-main/node-agent/process.ts';

const clock = new RealClock();
const logger = new SinkLogger(
  clock,
  (entry) => process.stdout.write(`${formatLogEntry(entry)}\n`),
  'info',
  'kube-proxy',
);
const { context, cancel } = Context.background().withCancel();
process.once('SIGTERM', cancel);
const config = readAgentConfig(process.argv[2]);
runKubeProxy(context, { config, args: [], clock, random: new SeededRandom(freshSeed()), logger }).then(
  () => process.exit(0),
  (error: unknown) => {
    if (context.ended) process.exit(0);
    process.stdout.write(`${String(error)}\n`);
    process.exit(1);
  },
);
