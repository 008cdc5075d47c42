import type { KubeObject } from '#api/machinery/object';
import type { ComponentTruth, MachineTruth } from '#contract/labs';
import type { AppState } from '../../state/app.svelte.ts';
import type { LabState, Worker } from '../../state/lab.svelte.ts';
import { faultTitle, isOpen } from '../../state/models/fault.view-model.ts';
import { masterState } from '../../state/models/master.view-model.ts';
import type { IconName } from '../../ui/icons.ts';
import { fuzzyScore } from '../../state/models/fuzzy.view-model.ts';

export interface Command {
  readonly id: string;
  readonly label: string;
  /** What kind of thing it is. */
  readonly hint: string;
  readonly icon: IconName;
  readonly run: () => void;
}

/** Everything there is to do and to open at the moment. */
export function commandsOf(app: AppState): readonly Command[] {
  const lab = app.state;
  return [...places(app), ...(lab ? [...nodeCommands(app), ...findings(app)] : []), ...labCommands(app)];
}

/** The best matches first, as many as a person would look at. */
export function matching(commands: readonly Command[], query: string): readonly Command[] {
  return commands
    .flatMap((command) => {
      const score = fuzzyScore(query, `${command.label} ${command.hint}`);
      return score === undefined ? [] : [{ command, score }];
    })
    .sort((a, b) => (query === '' ? 0 : b.score - a.score))
    .slice(0, 60)
    .map(({ command }) => command);
}

function places(app: AppState): readonly Command[] {
  const go = (page: AppState['page'], label: string, icon: IconName): Command => ({
    id: `go-${page}`,
    label: `Go to ${label}`,
    hint: 'place',
    icon,
    run: () => (app.page = page),
  });
  const theme = (name: 'light' | 'dark' | 'system', icon: IconName): Command => ({
    id: `theme-${name}`,
    label: `Theme: ${name}`,
    hint: 'look',
    icon,
    run: () => app.set({ theme: name }),
  });
  return [
    {
      id: 'deploy',
      label: 'Deploy an image or YAML',
      hint: 'workload',
      icon: 'deploy',
      run: () => (app.dialog = 'deploy'),
    },
    { id: 'create', label: 'New cluster', hint: 'cluster', icon: 'plus', run: () => (app.dialog = 'create') },
    {
      ...{ id: 'restore', label: 'Restore from snapshot', hint: 'cluster', icon: 'undo' },
      run: () => (app.dialog = 'restore-snapshot'),
    },
    ...(app.lab ? [saveCommand(app)] : []),
    go('lab', 'lab', 'lab'),
    go('workloads', 'workloads', 'workloads'),
    go('store', 'store', 'store'),
    {
      ...{ id: 'terminals', label: 'Show or hide the terminals', hint: 'place', icon: 'terminal' },
      run: () => (app.terminals.panelOpen = !app.terminals.panelOpen),
    },
    ...(app.state ? [rewindCommand(app)] : []),
    theme('light', 'sun'),
    theme('dark', 'moon'),
    theme('system', 'system'),
    { id: 'keys', label: 'Show the keys', hint: 'help', icon: 'keyboard', run: () => (app.dialog = 'keys') },
  ];
}

function saveCommand(app: AppState): Command {
  return {
    ...{ id: 'save', label: 'Save a snapshot of the cluster', hint: 'cluster', icon: 'image' },
    run: () => (app.dialog = 'save-snapshot'),
  };
}

function rewindCommand(app: AppState): Command {
  const active = app.state?.rewind.active === true;
  return {
    ...{ id: 'rewind', label: active ? 'Back to now' : 'Rewind: show the lab as it was', hint: 'time', icon: 'rewind' },
    run: () => (active ? app.state?.rewind.leave() : app.state?.rewind.show()),
  };
}

function nodeCommands(app: AppState): readonly Command[] {
  const lab = app.state;
  if (!lab) return [];
  const dialogs: readonly Command[] = [
    { id: 'add', label: 'Add a worker', hint: 'node', icon: 'plus', run: () => (app.dialog = 'add-worker') },
    { id: 'load', label: 'Load an image', hint: 'node', icon: 'image', run: () => (app.dialog = 'load-image') },
    {
      ...{ id: 'link', label: 'Break a link', hint: 'fault', icon: 'cut' },
      run: () => app.breakLink(lab.workers[0]?.name ?? '', 'api'),
    },
    {
      ...{ id: 'faults', label: 'Show the faults', hint: 'fault', icon: 'warning' },
      run: () => {
        app.selection = undefined;
        app.set({ panelTab: 'faults' });
      },
    },
  ];
  return [
    ...lab.masters.map((master) => powerOfMaster(app, lab, master)),
    ...(app.lab?.store === 'local' ? lab.components.flatMap((one) => powerOfMember(app, lab, one)) : []),
    ...lab.workers.flatMap((worker) => commandsOfNode(app, lab, worker)),
    ...dialogs,
    ...faultCommands(app, lab),
  ];
}

function powerOfMaster(app: AppState, lab: LabState, master: MachineTruth): Command {
  const [id, hint] = [master.name, 'master'];
  return masterState(master).off
    ? { id: `start-${id}`, label: `Start ${id}`, hint, icon: 'power', run: () => void app.masters.start(lab.name, id) }
    : { id: `kill-${id}`, label: `Kill ${id}`, hint, icon: 'bolt', run: () => void app.masters.kill(lab.name, id) };
}

function powerOfMember(app: AppState, lab: LabState, { id, component, state }: ComponentTruth): readonly Command[] {
  if (component !== 'etcd') return [];
  const hint = 'etcd member';
  return state === 'running' || state === 'starting'
    ? [{ id: `kill-${id}`, label: `Kill ${id}`, hint, icon: 'bolt', run: () => void app.members.kill(lab.name, id) }]
    : [
        {
          id: `start-${id}`,
          label: `Start ${id}`,
          hint,
          icon: 'power',
          run: () => void app.members.start(lab.name, id),
        },
      ];
}

function commandsOfNode(app: AppState, lab: LabState, worker: Worker): readonly Command[] {
  const { gone, cordoned } = worker.health;
  const [id, hint] = [worker.name, 'node'];
  const power: Command = gone
    ? { id: `start-${id}`, label: `Start ${id}`, hint, icon: 'power', run: () => void app.nodes.start(lab.name, id) }
    : { id: `kill-${id}`, label: `Kill ${id}`, hint, icon: 'bolt', run: () => void app.nodes.kill(lab.name, id) };
  return [
    power,
    {
      ...{ id: `cordon-${id}`, label: `${cordoned ? 'Uncordon' : 'Cordon'} ${id}`, hint, icon: 'cordon' },
      run: () => void app.nodes.setCordoned(lab.name, id, !cordoned),
    },
    { id: `break-${id}`, label: `Break ${id}…`, hint: 'fault', icon: 'warning', run: () => app.breakNode(id) },
    {
      ...{ id: `cut-${id}`, label: `Cut ${id} from the API server…`, hint: 'fault', icon: 'cut' },
      run: () => app.breakLink(id, 'api'),
    },
    { id: `open-${id}`, label: `Open ${id}`, hint, icon: 'lab', run: () => (app.selection = { kind: 'node', id }) },
  ];
}

function faultCommands(app: AppState, lab: LabState): readonly Command[] {
  return lab.faults.filter(isOpen).map((fault) => ({
    id: `heal-${fault.id}`,
    label: `Heal ${faultTitle(fault.spec)}`,
    hint: 'fault',
    icon: 'heal',
    run: () => void app.faults.heal(lab.name, fault.id),
  }));
}

function findings(app: AppState): readonly Command[] {
  const lab = app.state;
  if (!lab) return [];
  const workloads = (kind: string, objects: readonly KubeObject[]): Command[] =>
    objects.map(({ metadata: { uid = '', name = '', namespace = '' } }) => ({
      id: `${kind}-${uid}`,
      label: name,
      hint: `${kind} in ${namespace}`,
      icon: 'workloads',
      run: () => app.showWorkload(kind, name),
    }));
  const pods = lab.pods.list.slice(0, 2000).map((pod): Command => ({
    id: `pod-${pod.metadata?.uid}`,
    label: pod.metadata?.name ?? '',
    hint: `pod in ${pod.metadata?.namespace}`,
    icon: 'workloads',
    run: () => {
      app.page = 'lab';
      app.selection = { kind: 'pod', id: pod.metadata?.uid ?? '' };
    },
  }));
  return [
    ...workloads('Deployment', lab.deployments.list),
    ...workloads('StatefulSet', lab.statefulSets.list),
    ...workloads('DaemonSet', lab.daemonSets.list),
    ...workloads('Service', lab.services.list),
    ...pods,
  ];
}

function labCommands(app: AppState): readonly Command[] {
  return app.labList.map((lab) => ({
    id: `lab-${lab.name}`,
    label: `Open cluster ${lab.name}`,
    hint: lab.phase,
    icon: 'lab',
    run: () => app.openLab(lab.name),
  }));
}
