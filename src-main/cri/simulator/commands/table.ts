import type { Process, Program } from '../process.ts';
import { fileCommands } from './files.ts';
import { networkCommands } from './network.ts';
import { runBorrowed } from './borrowed.ts';
import { systemCommands } from './system.ts';
import { wrapperCommands } from './wrappers.ts';

const native: ReadonlyMap<string, Program> = new Map([
  ...fileCommands,
  ...networkCommands,
  ...systemCommands,
  ...wrapperCommands,
]);

/** Runs a command of the userland: those that stream, wait or ask the lab are our own, the rest is just-bash's. */
export function runCommand(name: string, process: Process): Promise<number> {
  const program = native.get(name);
  return program ? program(process) : runBorrowed(name, process);
}
