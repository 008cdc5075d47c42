import { Menu, type MenuItemConstructorOptions } from 'electron';

/** What the app's menu asks the page to do: keys the page also listens to, so that menu and page cannot differ. */
export interface MenuOptions {
  readonly appName: string;
  /** Presses `key` (Electron's accelerator names) in the page. */
  readonly press: (key: string, modifiers: readonly ('control' | 'meta')[]) => void;
}

export function buildMenu({ appName, press }: MenuOptions): Menu {
  const isMac = process.platform === 'darwin';
  const command = isMac ? 'meta' : 'control';
  const go = (label: string, accelerator: string, key: string): MenuItemConstructorOptions => ({
    label,
    accelerator,
    // The page's own listener gets the key press; the menu only shows it. A click sends it.
    registerAccelerator: false,
    click: () => press(key, [command]),
  });
  const template: MenuItemConstructorOptions[] = [
    ...(isMac ? [{ label: appName, role: 'appMenu' } satisfies MenuItemConstructorOptions] : []),
    {
      label: '&File',
      submenu: [
        go('New Cluster…', 'CmdOrCtrl+N', 'N'),
        go('Deploy…', 'CmdOrCtrl+D', 'D'),
        { type: 'separator' },
        isMac ? { role: 'close' } : { role: 'quit' },
      ],
    },
    { role: 'editMenu' },
    {
      label: '&View',
      submenu: [
        go('Command Palette', 'CmdOrCtrl+K', 'K'),
        go('Lab', 'CmdOrCtrl+1', '1'),
        go('Workloads', 'CmdOrCtrl+2', '2'),
        go('Store', 'CmdOrCtrl+3', '3'),
        { type: 'separator' },
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        { role: 'togglefullscreen' },
        { type: 'separator' },
        { role: 'reload' },
        { role: 'toggleDevTools' },
      ],
    },
    { role: 'windowMenu' },
  ];
  return Menu.buildFromTemplate(template);
}
