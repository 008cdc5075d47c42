import type { Connection } from '../ipc/connection.ts';
import type { Action, Actions } from './actions.svelte.ts';

/** What a person can do to a lab's masters. */
export class MasterActions {
  readonly #connection: Connection;
  readonly #actions: Actions;

  constructor(connection: Connection, actions: Actions) {
    this.#connection = connection;
    this.#actions = actions;
  }

  kill(lab: string, master: string): Promise<boolean> {
    const back = (): Promise<unknown> => this.#connection.call('master.start', { lab, master });
    const undo = { ...action('start', lab, master), run: back };
    return this.#actions.run({ ...action('kill', lab, master), undo }, () =>
      this.#connection.call('master.kill', { lab, master }),
    );
  }

  start(lab: string, master: string): Promise<boolean> {
    return this.#actions.run(action('start', lab, master), () =>
      this.#connection.call('master.start', { lab, master }),
    );
  }
}

function action(verb: 'kill' | 'start', lab: string, master: string): Action {
  return { command: `drydock master ${verb} ${master} --name ${lab}`, call: `master.${verb}` };
}
