import type { Fault, FaultSpec } from '#contract/faults';
import type { Connection } from '../ipc/connection.ts';
import type { Actions } from './actions.svelte.ts';
import { faultCommand } from './models/fault.view-model.ts';

/** Breaks things on purpose, and heals them. */
export class FaultActions {
  readonly #connection: Connection;
  readonly #actions: Actions;

  constructor(connection: Connection, actions: Actions) {
    this.#connection = connection;
    this.#actions = actions;
  }

  add(lab: string, spec: FaultSpec, forSeconds: number): Promise<boolean> {
    let added: Fault | undefined;
    const undo = {
      command: `drydock fault heal --name ${lab}`,
      call: 'fault.heal',
      run: async () => {
        if (added) await this.#connection.call('fault.heal', { lab, id: added.id });
      },
    };
    return this.#actions.run({ command: faultCommand(lab, spec, forSeconds), call: 'fault.add', undo }, async () => {
      added = await this.#connection.call('fault.add', { lab, spec, forSeconds });
    });
  }

  heal(lab: string, id: string): Promise<boolean> {
    const action = { command: `drydock fault heal ${id} --name ${lab}`, call: 'fault.heal' };
    return this.#actions.run(action, () => this.#connection.call('fault.heal', { lab, id }));
  }
}
