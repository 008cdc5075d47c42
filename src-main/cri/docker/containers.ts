import type { Readable } from 'node:stream';
import type { ContainerCreateOptions, ContainerInfo, ContainerInspectInfo } from 'dockerode';
import type { Context } from '#base/context';
import { CriError, type ContainerState } from '../cri.ts';
import type { Listed } from '../grpc/events.ts';
import { ignoring, statusCodeOf, type DockerConnection } from './engine.ts';
import type { EngineTraits } from './host-config.ts';
import { criLabels, labelsOf, recordOf, type ContainerRecord, type CriRecord, type SandboxRecord } from './labels.ts';
import { containerState, failedToStart } from './status.ts';

/** The containers of one scope in an engine, sandboxes among them. Throws CriError. */
export class ScopedContainers {
  readonly #connection: DockerConnection;
  readonly #scope: string;
  readonly #labels: Readonly<Record<string, string>>;
  #traits: EngineTraits | undefined;
  #lowersOomScore: boolean | undefined;

  /** `labels` are put on everything beside our own. */
  constructor(connection: DockerConnection, scope: string, labels: Readonly<Record<string, string>>) {
    this.#connection = connection;
    this.#scope = scope;
    this.#labels = labels;
  }

  async traits(context: Context): Promise<EngineTraits> {
    if (!this.#traits) {
      const info = (await this.#connection.call(context, (docker) => docker.info())) as {
        readonly CgroupDriver: string;
      };
      this.#traits = { cgroupDriver: info.CgroupDriver };
    }
    return this.#traits;
  }

  /**
   * Whether the engine may protect processes from the OOM killer more than it is itself, which needs CAP_SYS_RESOURCE: found
   * out with a container that only tries it, once.
   */
  async mayLowerOomScore(context: Context, image: string): Promise<boolean> {
    this.#lowersOomScore ??= await this.#tryToLower(context, image);
    return this.#lowersOomScore;
  }

  async #tryToLower(context: Context, image: string): Promise<boolean> {
    const HostConfig = { NetworkMode: 'none', OomScoreAdj: -1, LogConfig: { Type: 'none', Config: {} } };
    const Labels = { ...this.#labels, [criLabels.scope]: this.#scope };
    const { id } = await this.#connection.call(context, (docker) =>
      docker.createContainer({ Image: image, HostConfig, Labels }),
    );
    try {
      await this.#connection.call(context, (docker) => docker.getContainer(id).start());
      return true;
    } catch (error) {
      if (statusCodeOf(error) === undefined) throw error;
      return false;
    } finally {
      await this.remove(context, id);
    }
  }

  async create(context: Context, name: string, record: CriRecord, options: ContainerCreateOptions): Promise<string> {
    const Labels = { ...this.#labels, ...labelsOf(this.#scope, record) };
    try {
      const created = await this.#connection.call(context, (docker) =>
        docker.createContainer({ ...options, name, Labels }),
      );
      return created.id;
    } catch (error) {
      if (statusCodeOf(error) !== 409 || !(error instanceof CriError)) throw error;
      throw new CriError('AlreadyExists', error.message, { cause: error });
    }
  }

  async sandbox(
    context: Context,
    id: string,
  ): Promise<{ readonly facts: ContainerInspectInfo; readonly record: SandboxRecord }> {
    const { facts, record } = await this.#inspect(context, id);
    if (record?.kind !== 'sandbox') throw new CriError('NotFound', `sandbox "${id}" not found`);
    return { facts, record };
  }

  async container(
    context: Context,
    id: string,
  ): Promise<{ readonly facts: ContainerInspectInfo; readonly record: ContainerRecord }> {
    const { facts, record } = await this.#inspect(context, id);
    if (record?.kind !== 'container') throw new CriError('NotFound', `container "${id}" not found`);
    return { facts, record };
  }

  async #inspect(
    context: Context,
    id: string,
  ): Promise<{ readonly facts: ContainerInspectInfo; readonly record: CriRecord | undefined }> {
    const facts = await this.#connection.call(context, (docker) => docker.getContainer(id).inspect());
    // Other containers of the engine, and those of other scopes, are none of this runtime's.
    const isOurs = facts.Config.Labels[criLabels.scope] === this.#scope;
    return { facts, record: isOurs ? recordOf(facts.Config.Labels) : undefined };
  }

  list(context: Context, labels: readonly string[]): Promise<readonly ContainerInfo[]> {
    const label = [`${criLabels.scope}=${this.#scope}`, ...labels];
    return this.#connection.call(context, (docker) => docker.listContainers({ all: true, filters: { label } }));
  }

  /** Undefined when it is gone meanwhile. A list does not tell a container that failed to start from one that waits. */
  async stateOf(context: Context, { Id, State }: ContainerInfo): Promise<ContainerState | undefined> {
    if (State !== 'created') return containerState(State);
    const facts = await ignoring(
      [404],
      this.#connection.call(context, (docker) => docker.getContainer(Id).inspect()),
    );
    if (!facts) return undefined;
    return failedToStart(facts.State) ? 'CONTAINER_EXITED' : containerState(facts.State.Status);
  }

  async listStates(context: Context): Promise<readonly Listed[]> {
    const states: Listed[] = [];
    for (const info of await this.list(context, [])) {
      const record = recordOf(info.Labels);
      if (!record) continue;
      const state = await this.stateOf(context, info);
      if (state !== undefined) states.push({ id: info.Id, state, sandbox: record.pod });
    }
    return states;
  }

  async openEvents(context: Context): Promise<Readable> {
    const filters = {
      type: ['container' as const],
      event: ['create', 'start', 'die', 'destroy'],
      label: [`${criLabels.scope}=${this.#scope}`],
    };
    return (await this.#connection.call(context, (docker) => docker.getEvents({ filters }))) as Readable;
  }

  /** SIGKILL, and until it is dead. What does not run, or is not there, is as wanted. */
  async kill(context: Context, id: string): Promise<void> {
    await ignoring(
      [404, 409],
      this.#connection.call(context, (docker) => docker.getContainer(id).kill()),
    );
    await ignoring(
      [404],
      this.#connection.call(context, async (docker) => {
        const { State } = await docker.getContainer(id).inspect();
        if (State.Running) await docker.getContainer(id).wait({ condition: 'not-running' });
      }),
    );
  }

  async remove(context: Context, id: string): Promise<void> {
    // 409: somebody removes it already.
    await ignoring(
      [404, 409],
      this.#connection.call(context, (docker) => docker.getContainer(id).remove({ force: true, v: true })),
    );
    await ignoring(
      [404],
      this.#connection.call(context, async (docker) => {
        await docker.getContainer(id).wait({ condition: 'removed' });
      }),
    );
  }
}
