import type { Pod } from '#api/gen/types';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { ContainerStatus } from '#cri/cri';
import type { ContainerConfigBuilder } from './container-config.ts';
import type { KubeletOptions } from './options.ts';
import { findContainer } from './pod-facts.ts';
import type { PodView } from './runtime-view.ts';

/** Most bytes of a message, and most bytes and lines of a log in its place (pkg/kubelet/kuberuntime, release 1.36). */
const limits = { messageBytes: 4096, logBytes: 2048, logLines: 80 } as const;

export interface TerminationMessagesOptions {
  readonly context: Context;
  readonly options: KubeletOptions;
  readonly configs: ContainerConfigBuilder;
  /** A message came later than its container's end. */
  readonly changed: () => void;
}

/** What the containers of one pod left behind when they ended (`terminationMessagePolicy`). */
export class TerminationMessages {
  readonly #parts: TerminationMessagesOptions;
  readonly #messages = new Map<string, string>();

  constructor(parts: TerminationMessagesOptions) {
    this.#parts = parts;
  }

  get byContainer(): ReadonlyMap<string, string> {
    return this.#messages;
  }

  /** Reads the message file of each container that has ended since the last call. */
  note(pod: Pod, view: PodView): void {
    const { configs, options } = this.#parts;
    for (const status of [...view.containers.values()].flat()) {
      if (status.state !== 'CONTAINER_EXITED' || this.#messages.has(status.id)) continue;
      const file = configs.terminationMessageFile(pod, status.metadata.name, status.metadata.attempt);
      const content = Buffer.from(options.files.readFile(file) ?? []).toString('utf8');
      const text = content.slice(-limits.messageBytes);
      this.#messages.set(status.id, text);
      const policy = findContainer(pod, status.metadata.name)?.terminationMessagePolicy;
      if (text === '' && policy === 'FallbackToLogsOnError' && status.exitCode !== 0) this.#readLogTail(status);
    }
  }

  #readLogTail(status: ContainerStatus): void {
    const { context, options, changed } = this.#parts;
    const read = async (): Promise<void> => {
      let text = '';
      const tail = { follow: false, tailLines: limits.logLines };
      for await (const record of await options.runtime.containerLog(context, status.id, tail)) {
        text += Buffer.from(record.text).toString('utf8') + (record.partial ? '' : '\n');
      }
      this.#messages.set(status.id, text.slice(-limits.logBytes));
      changed();
    };
    read().catch((error: unknown) => {
      options.logger.warn('no log for a termination message', { container: status.id, error: messageOf(error) });
    });
  }
}
