import { describe, expect, it } from 'vitest';
import type { ComponentTruth, MachineTruth } from '#contract/labs';
import { controlPlaneHealth, lacksQuorum, masterState } from './master.view-model.ts';

const names = ['master-1', 'master-2', 'master-3'];

function masters(killed: readonly string[]): readonly MachineTruth[] {
  return names.map((name) => ({
    ...{ kind: 'machine', id: `machine/${name}`, name, role: 'master', driver: 'embedded', address: '', sinceMs: 0 },
    state: killed.includes(name) ? 'killed' : 'running',
  }));
}

function components(crashed: readonly string[]): readonly ComponentTruth[] {
  const parts = (['kube-apiserver', 'kube-scheduler', 'kube-controller-manager'] as const).flatMap((component) =>
    names.map((machine) => ({ component, machine })),
  );
  return [...parts, { component: 'etcd' as const, machine: 'master-1' }].map(({ component, machine }) => {
    const id = `${component}/${machine}`;
    // The store does not die with the master it is shown on.
    const withMachine = component !== 'etcd' && crashed.includes(`*/${machine}`);
    const state = withMachine || crashed.includes(id) ? 'crashed' : 'running';
    return { kind: 'component', id, component, machine, state, sinceMs: 0, metrics: {} };
  });
}

describe('the health of a control plane', () => {
  it('is whole when everything runs', () => {
    expect(controlPlaneHealth(masters([]), components([]))).toEqual({ tone: 'ok', down: [] });
  });

  it('bears a master that dies, which stands for all that was on it', () => {
    expect(controlPlaneHealth(masters(['master-1']), components(['*/master-1']))).toEqual({
      ...{ tone: 'warn', down: ['master-1'] },
    });
  });

  it('names a component that died alone', () => {
    expect(controlPlaneHealth(masters([]), components(['kube-scheduler/master-2']))).toEqual({
      ...{ tone: 'warn', down: ['kube-scheduler'] },
    });
  });

  it('is broken when something runs nowhere', () => {
    const all = names.map((name) => `*/${name}`);
    expect(controlPlaneHealth(masters(names), components(all))).toEqual({ tone: 'bad', down: names });
    expect(controlPlaneHealth(masters([]), components(['etcd/master-1']))).toEqual({ tone: 'bad', down: ['etcd'] });
  });
});

describe('a store of several members', () => {
  const members = (...states: ComponentTruth['state'][]): ComponentTruth[] =>
    states.map((state, i) => ({
      ...{
        kind: 'component',
        id: `etcd-${i + 1}`,
        component: 'etcd',
        machine: 'master-1',
        state,
        sinceMs: 0,
        metrics: {},
      },
    }));

  it('needs more than half of them', () => {
    expect(lacksQuorum([])).toBe(false);
    expect(lacksQuorum(members('running', 'running', 'crashed'))).toBe(false);
    expect(lacksQuorum(members('running', 'crashed', 'crashed'))).toBe(true);
    expect(controlPlaneHealth([], members('running', 'running', 'crashed')).tone).toBe('warn');
    expect(controlPlaneHealth([], members('running', 'crashed', 'crashed')).tone).toBe('bad');
  });
});

describe('the state of a master', () => {
  it('needs no word while it runs', () => {
    const [one, two] = masters(['master-2']);
    expect(one && masterState(one)).toEqual({ tone: 'ok', word: '', off: false });
    expect(two && masterState(two)).toEqual({ tone: 'bad', word: 'Killed', off: true });
  });
});
