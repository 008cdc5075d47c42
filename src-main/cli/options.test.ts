import { describe, expect, it } from 'vitest';
import { commandSpecs, findCommand, renderOverview } from './commands.ts';
import { parseCommandLine, renderHelp, UsageError, type CommandSpec } from './options.ts';

const spec: CommandSpec = {
  name: 'node kill',
  positionals: ['NAME'],
  summary: 'Pull the plug.',
  options: [
    { name: 'home', value: 'DIR', help: 'where' },
    { name: 'count', value: 'N', help: 'how many', fallback: '1' },
    { name: 'json', help: 'as JSON' },
  ],
};

describe('parseCommandLine', () => {
  it('reads values, switches and arguments in any order', () => {
    const parsed = parseCommandLine(spec, ['--home=/x', 'worker-1', '--json', '--count', '3']);
    expect([parsed.text('home'), parsed.flag('json'), parsed.integer('count', 1, 9), parsed.positionals[0]]).toEqual([
      '/x',
      true,
      3,
      'worker-1',
    ]);
    expect(parsed.flag('home')).toBe(false);
  });

  it('refuses what it cannot understand, in one line', () => {
    for (const args of [['a', '--nope'], ['a', '--home'], [], ['a', 'b']]) {
      expect(() => parseCommandLine(spec, args), args.join(' ')).toThrow(UsageError);
    }
    expect(() => parseCommandLine(spec, ['a', '--nope'])).toThrow(/^Unknown option '--nope'[^\n]*$/);
    const parsed = parseCommandLine(spec, ['a', '--count', '12']);
    expect(() => parsed.integer('count', 1, 9)).toThrow('--count 12: expected a whole number from 1 to 9');
  });

  it('asks for nothing more when help is wanted', () => {
    expect(parseCommandLine(spec, ['--help']).help).toBe(true);
  });
});

describe('the table of commands', () => {
  it('finds the longest name', () => {
    expect(findCommand(['node', 'kill', 'worker-1'])).toMatchObject({
      spec: { name: 'node kill' },
      rest: ['worker-1'],
    });
    expect(findCommand(['node'])).toBeUndefined();
  });

  it('helps with every flag there is', () => {
    for (const command of commandSpecs) {
      const help = renderHelp(command);
      for (const option of command.options) expect(help).toContain(`--${option.name}`);
      expect(renderOverview()).toContain(command.summary);
    }
  });
});
