import { contextBridge, ipcRenderer } from 'electron';
import { bridgeName, ipcChannel, type Bridge, type ClientFrame, type HostFrame } from '#contract/frames';

/**
 * The only thing a page gets: frames out, frames in, on one channel. What they may say is decided by the session in the main
 * process, which trusts nothing that comes through here.
 */
let listener: ((frame: HostFrame) => void) | undefined;
ipcRenderer.on(ipcChannel, (_event, frame: HostFrame) => listener?.(frame));

const bridge: Bridge = {
  post: (frame: ClientFrame) => ipcRenderer.send(ipcChannel, frame),
  listen: (next) => {
    listener = next;
  },
};

contextBridge.exposeInMainWorld(bridgeName, bridge);
