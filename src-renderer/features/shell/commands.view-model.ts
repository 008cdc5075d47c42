import type { AppState } from '../../state/app.svelte.ts';
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
    go('lab', 'lab', 'lab'),
    go('workloads', 'workloads', 'workloads'),
    go('store', 'store', 'store'),
    theme('light', 'sun'),
    theme('dark', 'moon'),
    theme('system', 'system'),
    { id: 'keys', label: 'Show the keys', hint: 'help', icon: 'keyboard', run: () => (app.dialog = 'keys') },
  ];
}

function nodeCommands(app: AppState): readonly Command[] {
  const lab = app.state;
  if (!lab) return [];
  const add: Command = {
    id: 'add',
    label: 'Add a worker',
    hint: 'node',
    icon: 'plus',
    run: () => void app.nodes.add(lab.name),
  };
  const each = lab.workers.flatMap((worker): Command[] => {
    const { gone, cordoned } = worker.health;
    const [id, hint] = [worker.name, 'node'];
    return [
      gone
        ? {
            id: `start-${id}`,
            label: `Start ${id}`,
            hint,
            icon: 'power',
            run: () => void app.nodes.start(lab.name, id),
          }
        : { id: `kill-${id}`, label: `Kill ${id}`, hint, icon: 'bolt', run: () => void app.nodes.kill(lab.name, id) },
      {
        id: `cordon-${id}`,
        label: `${cordoned ? 'Uncordon' : 'Cordon'} ${id}`,
        hint,
        icon: 'cordon',
        run: () => void app.nodes.setCordoned(lab.name, id, !cordoned),
      },
      { id: `open-${id}`, label: `Open ${id}`, hint, icon: 'lab', run: () => (app.selection = { kind: 'node', id }) },
    ];
  });
  return [...each, add];
}

function findings(app: AppState): readonly Command[] {
  return (app.state?.pods.list ?? []).slice(0, 2000).map((pod) => ({
    id: `pod-${pod.metadata?.uid}`,
    label: pod.metadata?.name ?? '',
    hint: `pod in ${pod.metadata?.namespace}`,
    icon: 'workloads',
    run: () => {
      app.page = 'lab';
      app.selection = { kind: 'pod', id: pod.metadata?.uid ?? '' };
    },
  }));
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
