import type { Home } from '#cluster/home';
import type { ComponentTruth, Truth } from '#contract/labs';
import { withRunningHost } from './host-access.ts';
import type { Arguments } from './options.ts';
import { renderTable, type Terminal } from './output.ts';
import { readTruths } from './reports.ts';

export interface MasterSummary {
  readonly name: string;
  /** `starting`, `running`, `killed` or `stopped`. */
  readonly state: string;
  /** Where its own API server answers. */
  readonly address: string;
  readonly apiServer: string;
  readonly scheduler: string;
  readonly controllerManager: string;
  /** What it leads just now: `kube-scheduler`, `kube-controller-manager`. */
  readonly leads: readonly string[];
}

/** `drydock master list`, `kill` and `start`. Resolves with the exit code. */
export async function runMaster(
  verb: string,
  home: Home,
  lab: string,
  args: Arguments,
  terminal: Terminal,
): Promise<number> {
  if (verb === 'list') {
    const masters = summariesOf(await withRunningHost(home, lab, (host) => readTruths(host, lab)));
    terminal.out(args.flag('json') ? JSON.stringify(masters, null, 2) : renderMasters(masters));
    return 0;
  }
  const master = args.positionals[0] ?? '';
  await withRunningHost(home, lab, (host) =>
    host.call(verb === 'kill' ? 'master.kill' : 'master.start', { lab, master }),
  );
  terminal.error(`master ${master} ${verb === 'kill' ? 'killed' : 'started and serves'}`);
  return 0;
}

export function summariesOf(truths: readonly Truth[]): MasterSummary[] {
  const components = truths.flatMap((truth) => (truth.kind === 'component' ? [truth] : []));
  return truths.flatMap((truth) => {
    if (truth.kind !== 'machine' || truth.role !== 'master') return [];
    const own = components.filter((one) => one.machine === truth.name);
    const stateOf = (component: ComponentTruth['component']): string =>
      own.find((one) => one.component === component)?.state ?? 'unknown';
    return [
      {
        ...{ name: truth.name, state: truth.state, address: truth.address },
        apiServer: stateOf('kube-apiserver'),
        scheduler: stateOf('kube-scheduler'),
        controllerManager: stateOf('kube-controller-manager'),
        leads: own.filter((one) => one.note === 'leader').map((one) => one.component),
      },
    ];
  });
}

export function renderMasters(masters: readonly MasterSummary[]): string {
  return renderTable(
    ['NAME', 'STATE', 'ADDRESS', 'API SERVER', 'SCHEDULER', 'CONTROLLER MANAGER'],
    masters.map((one) => {
      const withRole = (component: string, state: string): string =>
        one.leads.includes(component) ? `${state} (leader)` : state;
      return [
        ...[one.name, one.state, one.address, one.apiServer],
        withRole('kube-scheduler', one.scheduler),
        withRole('kube-controller-manager', one.controllerManager),
      ];
    }),
  );
}
