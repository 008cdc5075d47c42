import type { Container, LifecycleHandler } from '#api/gen/types';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { KubeletOptions } from './options.ts';
import { httpGet, tcpCheck } from './handlers.ts';

/** Runs a postStart or preStop handler to its end; throws Error with the text for the event (pkg/kubelet/lifecycle). */
export async function runHook(
  context: Context,
  options: KubeletOptions,
  hook: LifecycleHandler,
  container: Container,
  containerId: string,
  podIP: string,
): Promise<void> {
  if (hook.exec) {
    const command = hook.exec.command ?? [];
    const result = await options.runtime.execSync(context, containerId, command, 0).catch((error: unknown) => {
      throw new Error(`command '${command.join(' ')}' failed: ${messageOf(error)}`, { cause: error });
    });
    if (result.exitCode !== 0) {
      const output = Buffer.concat([result.stdout, result.stderr]).toString('utf8');
      throw new Error(`command '${command.join(' ')}' exited with ${result.exitCode}: ${output}`);
    }
  } else if (hook.sleep) {
    await options.clock.sleep(context, hook.sleep.seconds * 1000);
  } else if (hook.httpGet) {
    const answer = await httpGet(context, options.network, hook.httpGet, container, podIP, 'kube-lifecycle/1.36');
    if (answer.status >= 400) throw new Error(`HTTP lifecycle hook failed with statuscode: ${answer.status}`);
  } else if (hook.tcpSocket) {
    await tcpCheck(context, options.network, hook.tcpSocket, container, podIP);
  }
}
