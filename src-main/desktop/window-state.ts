import { readFileSync, writeFileSync } from 'node:fs';
import { screen, type BrowserWindow, type Rectangle } from 'electron';

export interface WindowState {
  readonly bounds: Partial<Rectangle> & { readonly width: number; readonly height: number };
  readonly maximized: boolean;
}

const defaultState: WindowState = { bounds: { width: 1440, height: 900 }, maximized: false };

/** Where the window was, if that place is still on a screen; else a window in the middle. */
export function readWindowState(path: string): WindowState {
  let stored: unknown;
  try {
    stored = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || (error as { code?: unknown }).code === 'ENOENT') return defaultState;
    throw error;
  }
  const { x, y, width, height, maximized } = (stored ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof width !== 'number' || typeof height !== 'number') return defaultState;
  const size = { width: Math.max(900, width), height: Math.max(600, height) };
  if (typeof x !== 'number' || typeof y !== 'number') return { bounds: size, maximized: maximized === true };
  const visible = screen.getAllDisplays().some(({ workArea }) => {
    const inside = (at: number, start: number, length: number): boolean =>
      at >= start - 50 && at < start + length - 100;
    return inside(x, workArea.x, workArea.width) && inside(y, workArea.y, workArea.height);
  });
  return { bounds: visible ? { ...size, x, y } : size, maximized: maximized === true };
}

export function writeWindowState(path: string, window: BrowserWindow): void {
  writeFileSync(path, JSON.stringify({ ...window.getNormalBounds(), maximized: window.isMaximized() }));
}
