import type { Connection } from '../ipc/connection.ts';
import type { Action, Actions } from './actions.svelte.ts';

/** What a person can do to the etcd members of a lab. */
export class MemberActions {
  readonly #connection: Connection;
  readonly #actions: Actions;

  constructor(connection: Connection, actions: Actions) {
    this.#connection = connection;
    this.#actions = actions;
  }

  kill(lab: string, member: string): Promise<boolean> {
    const back = (): Promise<unknown> => this.#connection.call('etcd.start', { lab, member });
    const undo = { ...action('start', lab, member), run: back };
    return this.#actions.run({ ...action('kill', lab, member), undo }, () =>
      this.#connection.call('etcd.kill', { lab, member }),
    );
  }

  start(lab: string, member: string): Promise<boolean> {
    return this.#actions.run(action('start', lab, member), () => this.#connection.call('etcd.start', { lab, member }));
  }
}

function action(verb: 'kill' | 'start', lab: string, member: string): Action {
  return { command: `drydock etcd ${verb} ${member} --name ${lab}`, call: `etcd.${verb}` };
}
