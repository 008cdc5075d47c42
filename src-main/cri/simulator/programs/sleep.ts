import type { Program } from '../process.ts';

const units: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86400 };

/** `sleep`: the sum of its arguments, each with an optional unit; `infinity` never ends. */
export const sleep: Program = async (process) => {
  const args = process.argv.slice(1);
  if (args.length === 0) {
    await process.complain('sleep: missing operand\n');
    return 1;
  }
  let seconds = 0;
  for (const arg of args) {
    const match = /^(\d+(?:\.\d*)?|\.\d+)([smhd]?)$/.exec(arg);
    const unit = units[match?.[2] ?? ''];
    if (arg === 'infinity' || arg === 'inf') seconds = Infinity;
    else if (match && unit !== undefined) seconds += Number(match[1]) * unit;
    else {
      await process.complain(`sleep: invalid number '${arg}'\n`);
      return 1;
    }
  }
  // A hundred years stand for ever: a timer needs a number.
  await process.sleep(Math.min(seconds, 3_153_600_000) * 1000);
  return 0;
};
