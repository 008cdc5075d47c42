import { runDrydock } from './run.ts';

void runDrydock(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
