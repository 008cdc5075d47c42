import { join } from 'node:path';
import { app, BrowserWindow, dialog, Menu, nativeTheme, session, shell, type WebContents } from 'electron';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { appOrigin } from '#contract/frames';
import type { Host } from '#host/handlers';
import { registerAppScheme, serveAppScheme } from './app-protocol.ts';
import { serveIpc } from './ipc.ts';
import { buildMenu } from './menu.ts';
import { readWindowState, writeWindowState } from './window-state.ts';

export interface DesktopOptions {
  /** Folder of the build: holds `main`, `preload` and `renderer`. */
  readonly outFolder: string;
  readonly logger: Logger;
  /** Opens the home. Its error is shown to the person, and the app ends. */
  readonly openHost: () => Promise<Host>;
}

/**
 * The desktop app: one instance, one window, one host. Closing the window quits, on macOS too, for a lab that runs without a
 * window would be a surprise; quitting stops the labs in order, without a question.
 */
export class DesktopApp {
  readonly #options: DesktopOptions;
  readonly #clock = new RealClock();
  #host: Host | undefined;
  #window: BrowserWindow | undefined;
  #statePath = '';
  #quitting = false;

  constructor(options: DesktopOptions) {
    this.#options = options;
  }

  /** Call once, before the app is ready. */
  run(): void {
    if (!app.requestSingleInstanceLock()) {
      app.exit(0); // The instance that holds the lock shows its window.
      return;
    }
    // Chromium cannot sandbox root's processes; whoever runs as root (a CI machine) says so with --no-sandbox.
    if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox();
    registerAppScheme();
    app.on('second-instance', () => this.#focus());
    app.on('web-contents-created', (_event, contents) => confine(contents));
    app.on('window-all-closed', () => app.quit());
    app.on('before-quit', (event) => this.#beforeQuit(event));
    app
      .whenReady()
      .then(() => this.#open())
      .catch((error: unknown) => {
        this.#options.logger.error('cannot start', { error: messageOf(error) });
        dialog.showErrorBox('Drydock cannot start', messageOf(error));
        app.exit(1);
      });
  }

  async #open(): Promise<void> {
    const { outFolder } = this.#options;
    session.defaultSession.setPermissionRequestHandler((_contents, permission, answer) =>
      answer(isAllowed(permission)),
    );
    session.defaultSession.setPermissionCheckHandler((_contents, permission) => isAllowed(permission));
    serveAppScheme(join(outFolder, 'renderer'));
    this.#host = await this.#options.openHost();
    this.#statePath = join(app.getPath('userData'), 'window.json');
    const state = readWindowState(this.#statePath);
    const window = new BrowserWindow({
      ...state.bounds,
      minWidth: 900,
      minHeight: 600,
      show: false,
      title: app.name,
      backgroundColor: nativeTheme.shouldUseDarkColors ? '#0e1318' : '#f4f6f8',
      webPreferences: {
        preload: join(outFolder, 'preload', 'index.cjs'),
        contextIsolation: true,
        sandbox: true,
        nodeIntegration: false,
        webSecurity: true,
        spellcheck: false,
      },
    });
    this.#window = window;
    if (state.maximized) window.maximize();
    window.once('ready-to-show', () => window.show());
    window.on('close', () => writeWindowState(this.#statePath, window));
    const press = (keyCode: string, modifiers: readonly ('control' | 'meta')[]): void => {
      window.webContents.sendInputEvent({ type: 'keyDown', keyCode, modifiers: [...modifiers] });
    };
    Menu.setApplicationMenu(buildMenu({ appName: app.name, press }));
    const { handlers } = this.#host;
    const served = serveIpc(Context.background(), window.webContents, {
      handlers,
      clock: this.#clock,
      logger: this.#options.logger,
    });
    window.on('closed', () => served.dispose());
    await this.#load(window);
  }

  /** A window that closes while its page loads is no error, and a box about it would hold back the end. */
  async #load(window: BrowserWindow): Promise<void> {
    let closing = false;
    window.once('close', () => {
      closing = true;
    });
    try {
      await window.loadURL(`${appOrigin}/index.html`);
    } catch (error) {
      if (!closing && !this.#quitting) throw error;
    }
  }

  #focus(): void {
    if (this.#window?.isMinimized()) this.#window.restore();
    this.#window?.focus();
  }

  /** The first quit is held back until the labs have stopped; the second, by us, goes through. */
  #beforeQuit(event: { preventDefault(): void }): void {
    const host = this.#host;
    if (!host || this.#quitting) return;
    this.#quitting = true;
    event.preventDefault();
    if (this.#window && !this.#window.isDestroyed()) {
      writeWindowState(this.#statePath, this.#window);
      this.#window.hide();
    }
    host
      .stop()
      .catch((error: unknown) => this.#options.logger.error('a lab did not stop', { error: messageOf(error) }))
      .finally(() => app.exit(0));
  }
}

/** Copying a command to the clipboard is all that a page may do outside itself. */
function isAllowed(permission: string): boolean {
  return permission === 'clipboard-sanitized-write';
}

/** A Service of the lab on this machine: `http://127.0.0.1:30080/`. */
const servicePattern = /^http:\/\/127\.0\.0\.1:\d{1,5}\/$/;

/** No page leaves our origin, opens a window, or embeds another. Services of a lab open in the person's own browser. */
function confine(contents: WebContents): void {
  contents.setWindowOpenHandler(({ url }) => {
    if (servicePattern.test(url)) void shell.openExternal(url);
    return { action: 'deny' };
  });
  const stay = (event: { preventDefault(): void }, url: string): void => {
    if (!url.startsWith(`${appOrigin}/`)) event.preventDefault();
  };
  contents.on('will-navigate', stay);
  contents.on('will-redirect', stay);
  contents.on('will-attach-webview', (event) => event.preventDefault());
}
