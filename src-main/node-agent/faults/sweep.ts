import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { ProgramKernel, type Kernel } from '#network/kernel';
import { holdFolder } from '../supervisor-holds.ts';
import { tablePrefix } from './applied.ts';
import { diskClaims } from './disk-claims.ts';
import { isFault } from './fault-marks.ts';
import { sweepQueues } from './queues.ts';

/**
 * Undoes what fault processes left that were killed before they could heal: tables, queues, files. What belongs to a fault that
 * lives is left alone: its mark is its process id. A step that fails is logged: a node starts all the same.
 */
export async function sweepFaults(
  context: Context,
  logger: Logger,
  kernel: Kernel = new ProgramKernel(),
  folders: SweptFolders = { holds: holdFolder, claims: diskClaims, processes: '/proc' },
): Promise<void> {
  const alive = (mark: string): boolean => isFault(folders.processes, mark);
  const steps: readonly (() => Promise<void>)[] = [
    async () => sweepFiles(folders.claims, (file) => !alive(file)),
    async () => sweepFiles(folders.holds, (file) => !alive(readFileSync(join(folders.holds, file), 'utf8'))),
    () => sweepTables(context, kernel, alive),
    async () => {
      if (!readdirSync(folders.processes).some(alive)) await sweepQueues(context, kernel);
    },
  ];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      logger.warn('what a fault left was not swept', { error: messageOf(error) });
    }
  }
}

export interface SweptFolders {
  readonly holds: string;
  readonly claims: string;
  /** `/proc` */
  readonly processes: string;
}

function sweepFiles(folder: string, isLeft: (file: string) => boolean): void {
  if (!existsSync(folder)) return;
  for (const file of readdirSync(folder)) if (isLeft(file)) rmSync(join(folder, file), { force: true });
}

async function sweepTables(context: Context, kernel: Kernel, alive: (mark: string) => boolean): Promise<void> {
  const text = await kernel.run(context, ['nft', 'list', 'tables']);
  for (const [, family = '', mark = ''] of text.matchAll(new RegExp(`^table (\\S+) ${tablePrefix}(\\d+)$`, 'gm'))) {
    if (!alive(mark)) await kernel.run(context, ['nft', 'delete', 'table', family, `${tablePrefix}${mark}`]);
  }
}
