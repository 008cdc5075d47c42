import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { ClusterError } from '#cluster/errors';
import { Home } from '#cluster/home';
import type { Progress } from './progress.ts';
import type { UpFacts } from './up.ts';

/** What a detached host tells the command that started it, over Node's IPC channel. */
export type DetachedMessage =
  | {
      readonly type: 'progress';
      readonly done: number;
      readonly total: number;
      readonly text: string;
      readonly fraction?: number;
    }
  | { readonly type: 'ready'; readonly facts: UpFacts }
  | { readonly type: 'failed'; readonly message: string };

/** Until the lab is Ready, who interrupts the command means the host as well. */
const signals = ['SIGINT', 'SIGTERM'] as const;

/** In the host's environment: it is the detached one and reports over IPC. */
export const detachedVariable = 'DRYDOCK_DETACHED_HOST';

/** Starts a host that outlives this process and waits until its lab is Ready. Its output goes to `host.log` in the home. */
export async function upDetached(args: readonly string[], homePath: string, progress: Progress): Promise<UpFacts> {
  const home = new Home(homePath);
  home.prepare();
  mkdirSync(dirname(home.logFile), { recursive: true });
  const log = openSync(home.logFile, 'a', 0o600);
  const child = spawn(process.execPath, [process.argv[1] ?? '', ...args], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...process.env, [detachedVariable]: '1' },
  });
  closeSync(log);
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of signals) process.once(signal, passOn);
  try {
    return await firstVerdict(child, home, progress);
  } finally {
    for (const signal of signals) process.off(signal, passOn);
    progress.finish();
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function firstVerdict(child: ChildProcess, home: Home, progress: Progress): Promise<UpFacts> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: DetachedMessage) => {
      if (message.type === 'progress') progress.update(message.done, message.total, message.text, message.fraction);
      else if (message.type === 'ready') resolve(message.facts);
      else reject(new ClusterError('INVALID', message.message));
    });
    child.on('error', reject);
    child.on('exit', (code) =>
      reject(
        new ClusterError(
          'INVALID',
          `the host ended with ${String(code)} before the lab was ready; see ${home.logFile}`,
        ),
      ),
    );
  });
}

/** The detached host's own progress: to the command that waits for it. */
export class ReportingProgress implements Progress {
  update(done: number, total: number, text: string, fraction?: number): void {
    report({ type: 'progress', done, total, text, ...(fraction === undefined ? {} : { fraction }) });
  }

  finish(): void {
    // Nothing to take off a screen.
  }
}

/** Tells the waiting command, if it still waits. */
export function report(message: DetachedMessage): void {
  if (process.connected) process.send?.(message);
}
