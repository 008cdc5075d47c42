import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Context } from '#base/context';
import { machinePaths, runtimeLayout, type RuntimeLayout } from '#machines/machine';
import type { AgentConfig } from './agent-config.ts';
import { readAgentConfig, type AgentProcess, type AgentProcessOptions } from './process.ts';
import { importArchives, waitForContainerd, writeContainerdConfig } from './supervisor-containerd.ts';
import { prepareNode, stopPods } from './supervisor-node.ts';
import { SupervisedProcess, statusPath, type ProcessReport } from './supervisor-process.ts';
import { watchHolds } from './supervisor-holds.ts';
import { sweepFaults } from './faults/sweep.ts';

/** Exists while the runtime answers and the agent's programs were started: the driver waits for it. */
const readyPath = '/run/drydock/ready';

/** Programs of the bundle that every worker runs, in the order of their start. */
const agentProcesses = ['network', 'kubelet', 'kube-proxy'] as const;

/**
 * Process 1 of a node container (behind `tini`, which reaps), or a machine's own supervisor where no systemd is: keeps
 * containerd and the agent's programs running, each started again on its own.
 *
 * Signals: SIGTERM stops all in order; SIGHUP reads the configuration again and restarts the agent's programs, not
 * containerd, so that containers go on.
 */
export const runSupervisor: AgentProcess = async (life, options) => {
  await new Supervisor(options).run(life);
};

class Supervisor {
  readonly #options: AgentProcessOptions;
  readonly #agents: readonly SupervisedProcess[];
  readonly #containerd: SupervisedProcess | undefined;
  readonly #layout: RuntimeLayout;
  #config: AgentConfig;

  constructor(options: AgentProcessOptions) {
    const { clock, random, logger, config } = options;
    this.#options = options;
    this.#config = config;
    const make = (name: string, command: readonly string[]): SupervisedProcess =>
      new SupervisedProcess({ name, command, clock, random, logger, onChange: () => this.#report() });
    this.#layout = runtimeLayout(config.driver);
    if (config.ownsContainerd) this.#containerd = make('containerd', ['containerd', '--config', this.#layout.config]);
    this.#agents = agentProcesses.map((name) => make(name, [process.execPath, machinePaths.agentBundle, name]));
  }

  async run(life: Context): Promise<void> {
    const { logger, clock } = this.#options;
    rmSync(readyPath, { force: true });
    mkdirSync('/run/drydock', { recursive: true });
    if (this.#config.driver === 'docker') await prepareNode(life);
    await sweepFaults(life, logger);
    const holds = watchHolds(clock, this.#all());
    const reload = (): void => this.#reload();
    process.on('SIGHUP', reload);
    try {
      await this.#start(life);
      writeFileSync(readyPath, '');
      logger.info('the node runs', { node: this.#config.nodeName });
      await new Promise<void>((resolve) => life.onEnd(resolve));
    } finally {
      process.off('SIGHUP', reload);
      holds.dispose();
      rmSync(readyPath, { force: true });
      await this.#stop();
    }
  }

  async #start(life: Context): Promise<void> {
    if (!this.#containerd) {
      for (const agent of this.#agents) agent.start();
      return;
    }
    writeContainerdConfig(this.#layout);
    this.#containerd.start();
    // The relay to the API server and the rules of Services need no runtime.
    for (const agent of this.#agents) if (agent.name !== 'kubelet') agent.start();
    await waitForContainerd(life, this.#options.clock, this.#layout.socket);
    await importArchives(life, this.#options.logger, this.#layout.socket);
    for (const agent of this.#agents) agent.start();
  }

  async #stop(): Promise<void> {
    const { clock } = this.#options;
    await Promise.all(this.#agents.map((agent) => agent.stop()));
    if (this.#config.ownsContainerd) await stopPods(clock);
    await this.#containerd?.stop();
  }

  #reload(): void {
    const { logger } = this.#options;
    try {
      this.#config = readAgentConfig();
    } catch (error) {
      logger.error('the new configuration is not used', { error: error instanceof Error ? error.message : '' });
      return;
    }
    logger.info('a new configuration: the programs of the agent start again');
    for (const agent of this.#agents) agent.restart();
  }

  #all(): readonly SupervisedProcess[] {
    return this.#containerd ? [this.#containerd, ...this.#agents] : this.#agents;
  }

  #report(): void {
    const reports: readonly ProcessReport[] = this.#all().map((supervised) => supervised.report);
    // Whoever reads it never sees half of it.
    writeFileSync(`${statusPath}.new`, `${JSON.stringify(reports)}\n`);
    renameSync(`${statusPath}.new`, statusPath);
  }
}
