import type { Connection } from '../ipc/connection.ts';
import type { Action, Actions } from './actions.svelte.ts';

/** What a person can do to a lab's machines and nodes. */
export class NodeActions {
  readonly #connection: Connection;
  readonly #actions: Actions;

  constructor(connection: Connection, actions: Actions) {
    this.#connection = connection;
    this.#actions = actions;
  }

  kill(lab: string, node: string): Promise<boolean> {
    const back = (): Promise<unknown> => this.#connection.call('node.start', { lab, node });
    const undo = { ...command('start', lab, node), run: back };
    return this.#actions.run({ ...command('kill', lab, node), undo }, () =>
      this.#connection.call('node.kill', { lab, node }),
    );
  }

  start(lab: string, node: string): Promise<boolean> {
    return this.#actions.run(command('start', lab, node), () => this.#connection.call('node.start', { lab, node }));
  }

  remove(lab: string, node: string): Promise<boolean> {
    return this.#actions.run(command('delete', lab, node), () => this.#connection.call('node.delete', { lab, node }));
  }

  add(lab: string): Promise<boolean> {
    const action: Action = { command: `drydock node add --name ${lab}`, call: 'node.add' };
    return this.#actions.run(action, () => this.#connection.call('node.add', { lab }));
  }

  setCordoned(lab: string, node: string, cordoned: boolean): Promise<boolean> {
    const step = (unschedulable: boolean): Promise<unknown> =>
      this.#actions.request(lab, {
        method: 'PATCH',
        path: `/api/v1/nodes/${node}`,
        contentType: 'application/merge-patch+json',
        body: { spec: { unschedulable: unschedulable || null } },
      });
    const call = `PATCH /api/v1/nodes/${node}`;
    const said = (on: boolean): Action => ({ command: `kubectl ${on ? 'cordon' : 'uncordon'} ${node}`, call });
    return this.#actions.run({ ...said(cordoned), undo: { ...said(!cordoned), run: () => step(!cordoned) } }, () =>
      step(cordoned),
    );
  }
}

function command(verb: string, lab: string, node: string): Action {
  return { command: `drydock node ${verb} ${node} --name ${lab}`, call: `node.${verb}` };
}
