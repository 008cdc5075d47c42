import type { Context } from '#base/context';
import { MachineError } from '../errors.ts';
import type { MachineFile, RemoteMachineState } from '../machine.ts';
import { agentScript, systemdUnit } from './agent-script.ts';
import { sshPaths } from './paths.ts';
import type { RemoteShell } from './remote-shell.ts';

/** `down`: it should run and does not. */
export type AgentState = Exclude<RemoteMachineState, 'unreachable'> | 'down';

const states: readonly AgentState[] = ['absent', 'starting', 'running', 'paused', 'killed', 'stopped', 'down'];

type Verb = 'start' | 'reload' | 'stop' | 'kill' | 'pause' | 'unpause';

/** The agent on its machine, by `agent.sh`. */
export class Agent {
  readonly #shell: RemoteShell;

  constructor(shell: RemoteShell) {
    this.#shell = shell;
  }

  async state(context: Context): Promise<AgentState> {
    const script = `[ -r ${sshPaths.agentScript} ] || { echo absent; exit 0; }; sh ${sshPaths.agentScript} state`;
    const printed = await this.#shell.run(context, script, { failure: 'The agent cannot be asked for its state' });
    return states.find((each) => each === printed.trim()) ?? 'absent';
  }

  /** Nothing happens on a machine that has no agent. */
  async do(context: Context, verb: Verb): Promise<void> {
    await this.#shell.run(context, `[ ! -r ${sshPaths.agentScript} ] || sh ${sshPaths.agentScript} ${verb}`, {
      failure: `The agent could not be told to ${verb}`,
    });
  }

  /** Writes what differs; resolves with what that asks for. */
  async giveFiles(
    context: Context,
    files: readonly MachineFile[],
    systemd: boolean,
  ): Promise<'nothing' | 'reload' | 'restart'> {
    const encoder = new TextEncoder();
    const programs: readonly MachineFile[] = [
      { path: sshPaths.agentScript, content: encoder.encode(agentScript), mode: 0o755 },
      ...(systemd ? [{ path: sshPaths.unit, content: encoder.encode(systemdUnit), mode: 0o644 }] : []),
    ];
    const changed = await this.#shell.sync(context, [...programs, ...files]);
    const restarts = new Set<string>([sshPaths.agentBundle, ...programs.map((file) => file.path)]);
    if (changed.some((path) => restarts.has(path))) return 'restart';
    return changed.length > 0 ? 'reload' : 'nothing';
  }

  /** The sandbox image and busybox come from the machine's own busybox, so that they are of its architecture. */
  async makeImages(context: Context, busybox: string): Promise<void> {
    const mark = '/usr/share/drydock/images-made-by';
    const script = `
now=$(sha256sum ${sshPaths.agentBundle}); { read -r last <${mark}; } 2>/dev/null
[ "$now" = "$last" ] && exit 0
node ${sshPaths.agentBundle} prepare-image "$2" && mkdir -p "\${1%/*}" && echo "$now" >"$1"`;
    await this.#shell.run(context, script, {
      args: [mark, busybox],
      failure: 'The images of a node could not be made',
    });
  }

  /** Resolves when the supervisor says that all runs. Throws MachineError FAILED with its last words after a minute. */
  async untilReady(context: Context): Promise<void> {
    const script = `
for try in $(seq 1 600); do [ -e /run/drydock/ready ] && exit 0; sleep 0.1; done
tail -n 5 /var/log/drydock/supervisor.log >&2; exit 1`;
    const { exitCode, stderr } = await this.#shell.try(context, script);
    if (exitCode === 0) return;
    const words = stderr.trim().replaceAll('\n', ' · ') || 'it said nothing';
    throw new MachineError('FAILED', `The programs of the node did not start within a minute: ${words}`);
  }
}
