import type { ApiCall } from '#contract/calls';
import { StatusError } from '#api/machinery/status';
import type { Connection } from '../ipc/connection.ts';

/** What a click does, said in the two languages a person will meet it in again. */
export interface Action {
  /** `kubectl cordon worker-1`, or a `drydock` command where kubectl has none. */
  readonly command: string;
  /** `PATCH /api/v1/nodes/worker-1` */
  readonly call: string;
  readonly undo?: Action & { readonly run: () => Promise<unknown> };
}

export interface Toast {
  readonly id: number;
  readonly tone: 'ok' | 'bad';
  readonly text: string;
}

export type ApiStep = Omit<ApiCall, 'lab'>;

const toastMs = { ok: 3500, bad: 9000 };

/**
 * Runs what a person asked for, remembers the last one for the bottom line, and says what went wrong. Everything that changes
 * a lab goes through here, so here it is refused while the lab's past is shown, whatever button or key it came from.
 */
export class Actions {
  last = $state.raw<Action | undefined>();
  busy = $state(0);
  toasts = $state.raw<readonly Toast[]>([]);
  readonly #connection: Connection;
  readonly #locked: () => string | undefined;
  #nextToast = 1;

  /** `locked`: why nothing may be changed at the moment; undefined while everything may. */
  constructor(connection: Connection, locked: () => string | undefined) {
    this.#connection = connection;
    this.#locked = locked;
  }

  /** Why nothing may be changed at the moment. */
  get locked(): string | undefined {
    return this.#locked();
  }

  /** Whether it has to be left undone, which is said then. */
  refuses(what: string): boolean {
    const reason = this.locked;
    if (reason !== undefined) this.toast('bad', `${what}: ${reason}`);
    return reason !== undefined;
  }

  /** Whether it worked. What went wrong is shown as a toast. */
  async run(action: Action, work: () => Promise<unknown>): Promise<boolean> {
    if (this.refuses(action.command)) return false;
    this.busy++;
    try {
      await work();
      this.last = action;
      return true;
    } catch (error) {
      this.toast('bad', `${action.command}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    } finally {
      this.busy--;
    }
  }

  /** Takes the last action back. */
  async undo(): Promise<void> {
    const undo = this.last?.undo;
    if (undo) await this.run(undo, undo.run);
  }

  /** One request to the lab's API server. Throws StatusError for any answer but a success. */
  async request(lab: string, step: ApiStep): Promise<unknown> {
    const reason = step.method === 'GET' ? undefined : this.locked;
    if (reason !== undefined) throw new StatusError('Forbidden', reason);
    const { status, body } = await this.#connection.call('api.request', { lab, ...step });
    if (status >= 400) throw StatusError.fromWire(status, body);
    return body;
  }

  toast(tone: Toast['tone'], text: string): void {
    const id = this.#nextToast++;
    this.toasts = [...this.toasts.slice(-3), { id, tone, text }];
    setTimeout(() => this.dismiss(id), toastMs[tone]);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }
}
