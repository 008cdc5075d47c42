import type { ITheme } from '@xterm/xterm';

/** The terminal's colours from our tokens, as they are at the moment. */
export function terminalTheme(): ITheme {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    background: token('terminal'),
    foreground: token('ink'),
    cursor: token('accent'),
    cursorAccent: token('terminal'),
    selectionBackground: token('halo'),
    black: token('term-black'),
    red: token('bad'),
    green: token('ok'),
    yellow: token('warn'),
    blue: token('accent'),
    magenta: token('term-magenta'),
    cyan: token('term-cyan'),
    white: token('soft'),
    brightBlack: token('faint'),
    brightRed: token('bad'),
    brightGreen: token('ok'),
    brightYellow: token('warn'),
    brightBlue: token('accent'),
    brightMagenta: token('term-magenta'),
    brightCyan: token('term-cyan'),
    brightWhite: token('ink'),
  };
}
