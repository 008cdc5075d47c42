import { ipcMain, type IpcMainEvent, type WebContents } from 'electron';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { appOrigin, ipcChannel } from '#contract/frames';
import type { ContractHandlers } from '#host/handlers';
import { Session } from '#host/session';

export interface IpcOptions {
  readonly handlers: ContractHandlers;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Only the top frame of a page of our own may speak: not a frame inside it, not a page that somehow got loaded. */
function isOwnPage(event: IpcMainEvent): boolean {
  const frame = event.senderFrame;
  if (!frame || frame.parent !== null) return false;
  return new URL(frame.url).origin === new URL(appOrigin).origin && frame.url.startsWith(`${appOrigin}/`);
}

/** Serves the contract over IPC to one window. A reload begins a new session; everything ends with the window. */
export function serveIpc(context: Context, contents: WebContents, options: IpcOptions): Disposable {
  const { logger } = options;
  const open = (): Session =>
    new Session(context, {
      ...options,
      send: (frame) => {
        if (!contents.isDestroyed()) contents.send(ipcChannel, frame);
      },
    });
  let session = open();
  const receive = (event: IpcMainEvent, message: unknown): void => {
    if (event.sender !== contents) return;
    if (!isOwnPage(event)) {
      logger.warn('refused a message of a page that is not ours');
      return;
    }
    try {
      session.receive(message);
    } catch (error) {
      logger.warn('refused a message that is not of the contract', { error: messageOf(error) });
    }
  };
  const reload = (): void => {
    session.close();
    session = open();
  };
  ipcMain.on(ipcChannel, receive);
  contents.on('did-start-loading', reload);
  return disposable(() => {
    ipcMain.removeListener(ipcChannel, receive);
    if (!contents.isDestroyed()) contents.removeListener('did-start-loading', reload);
    session.close();
  });
}
