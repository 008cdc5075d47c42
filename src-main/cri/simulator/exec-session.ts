import { Context } from '#base/context';
import type { ExecOptions, ExecSession } from '#base/streams';
import { BrokenPipeError, BytePipe, emptyInput, nullOutput } from './byte-pipe.ts';
import { Process, type ProcessHost, type ProcessStart, type Program } from './process.ts';
import { Terminal } from './terminal.ts';

/** Starts a further process in a container and joins its streams. */
export function startExec(
  host: ProcessHost,
  options: ExecOptions,
  start: Pick<ProcessStart, 'env' | 'cwd' | 'user'>,
  program: Program,
): ExecSession {
  const [stdin, stdout, stderr] = [new BytePipe(), new BytePipe(), new BytePipe()];
  const terminal = options.tty ? new Terminal(host.processes, (bytes) => stdout.write(bytes)) : undefined;
  const io = terminal
    ? { stdin: terminal.input, stdout: terminal.output, stderr: terminal.output }
    : {
        stdin: options.stdin ? stdin : emptyInput,
        stdout: options.stdout ? stdout : nullOutput,
        stderr: options.stderr ? stderr : nullOutput,
      };
  const process = new Process(host, { ...start, argv: options.command, io, tty: options.tty });
  terminal?.setLeader(process);
  const exit = process.run(program).then((exitCode) => {
    stdout.end();
    stderr.end();
    stdin.close();
    return { exitCode };
  });
  return {
    stdin: options.stdin
      ? {
          write: (chunk) => (terminal ? terminal.type(chunk) : stdin.write(chunk)),
          end: () => (terminal ? terminal.hangUp() : stdin.end()),
        }
      : undefined,
    stdout: stdout.drain(Context.background()),
    stderr: stderr.drain(Context.background()),
    resize: () => {},
    exit,
    // Like containerd, leave the process running: only its streams are gone.
    close: () => {
      (terminal?.input ?? stdin).end();
      stdout.close();
      stderr.close();
      process.signal('HUP');
    },
  };
}

/** The streams of a container's own process, as an attached client uses them. */
export interface AttachPoint {
  readonly stdin: BytePipe | undefined;
  readonly terminal: Terminal | undefined;
  readonly stdinOnce: boolean;
  readonly exited: Promise<number>;
  /** Who sees what the process writes. */
  readonly screens: Set<(stream: 'stdout' | 'stderr', bytes: Uint8Array) => void>;
}

export function startAttach(point: AttachPoint, wantsStdin: boolean): ExecSession {
  const [stdout, stderr] = [new BytePipe(), new BytePipe()];
  const screen = (stream: 'stdout' | 'stderr', bytes: Uint8Array): void => {
    void (stream === 'stdout' ? stdout : stderr).write(bytes).catch(ignoreBrokenPipe);
  };
  point.screens.add(screen);
  const leave = (): void => {
    point.screens.delete(screen);
    stdout.end();
    stderr.end();
  };
  const { stdin, terminal, stdinOnce } = point;
  return {
    stdin:
      wantsStdin && stdin
        ? {
            write: (chunk) => (terminal ? terminal.type(chunk) : stdin.write(chunk)),
            end: () => {
              if (stdinOnce) stdin.end();
            },
          }
        : undefined,
    stdout: stdout.drain(Context.background()),
    stderr: stderr.drain(Context.background()),
    resize: () => {},
    exit: point.exited.then((exitCode) => {
      leave();
      return { exitCode };
    }),
    close: leave,
  };
}

/** A client that went away is no error of the container's. */
function ignoreBrokenPipe(error: unknown): void {
  if (!(error instanceof BrokenPipeError)) throw error;
}
