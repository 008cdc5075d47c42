import { join } from 'node:path';
import { runDrydock } from './run.ts';

void runDrydock(process.argv.slice(2), { outFolder: join(__dirname, '..') }).then((code) => {
  process.exitCode = code;
});
