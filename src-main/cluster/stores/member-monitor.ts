import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { EtcdMaintenance, MemberStatus } from '#etcd/maintenance';

const everyMs = 1_000;

/** Looks at the members of a real etcd once a second: who answers, who leads, whether they are enough. */
export class MemberMonitor {
  readonly #maintenance: EtcdMaintenance;
  readonly #clock: Clock;
  readonly #life = Context.background().withCancel();
  #members: readonly MemberStatus[] | undefined;
  #error = '';

  constructor(maintenance: EtcdMaintenance, clock: Clock) {
    this.#maintenance = maintenance;
    this.#clock = clock;
  }

  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#life.cancel();
  }

  /** Of the member that has this client URL; undefined before the first look, and while none answers. */
  memberAt(endpoint: string): MemberStatus | undefined {
    return this.#members?.find((one) => one.clientUrls.includes(endpoint));
  }

  answersAt(endpoint: string): boolean {
    return this.memberAt(endpoint)?.version !== undefined;
  }

  /** A sentence about the member, when there is something to say. */
  noteOf(endpoint: string): string | undefined {
    if (this.#error !== '') return this.#error;
    const members = this.#members ?? [];
    const answering = members.filter((one) => one.version !== undefined).length;
    const hasLeader = members.some((one) => one.isLeader);
    const count = members.length;
    if (count > 0 && !hasLeader && answering <= count / 2)
      return `no quorum: ${answering} of ${count} members ${answering === 1 ? 'answers' : 'answer'}, ${Math.floor(count / 2) + 1} must`;
    const own = this.memberAt(endpoint);
    return own?.isLeader === true ? 'leader' : own?.error;
  }

  /** Looks once, for those who do not want to wait for the next time. */
  async look(context: Context): Promise<void> {
    try {
      this.#members = await this.#maintenance.members(context);
      this.#error = '';
    } catch (error) {
      this.#members = undefined;
      this.#error = messageOf(error);
    }
  }

  async #run(): Promise<void> {
    const { context } = this.#life;
    while (!context.ended) {
      await this.look(context);
      await this.#clock.sleep(context, everyMs).catch(() => undefined);
    }
  }
}
