import { bridgeName, socketPath, type Bridge, type ClientFrame, type HostFrame } from '#contract/frames';

/** One connection to the host, whatever carries it. Opened once; a broken one is replaced by a new one. */
export interface Port {
  send(frame: ClientFrame): void;
  close(): void;
}

export interface PortEvents {
  onOpen(): void;
  onFrame(frame: HostFrame): void;
  /** Called once, also when the port never opened. */
  onClose(): void;
}

export type OpenPort = (events: PortEvents) => Port;

function bridge(): Bridge | undefined {
  return (window as unknown as Readonly<Record<string, Bridge | undefined>>)[bridgeName];
}

/** The Electron bridge where there is one, a WebSocket to the page's own host elsewhere. */
export const openPort: OpenPort = (events) => {
  const electron = bridge();
  return electron ? openBridge(electron, events) : openSocket(events);
};

function openBridge(electron: Bridge, events: PortEvents): Port {
  electron.listen((frame) => events.onFrame(frame));
  queueMicrotask(() => events.onOpen());
  return { send: (frame) => electron.post(frame), close: () => electron.listen(() => undefined) };
}

function openSocket(events: PortEvents): Port {
  const socket = new WebSocket(`ws://${location.host}${socketPath}`);
  socket.addEventListener('open', () => events.onOpen());
  socket.addEventListener('message', (message) => events.onFrame(JSON.parse(String(message.data)) as HostFrame));
  socket.addEventListener('close', () => events.onClose());
  return { send: (frame) => socket.send(JSON.stringify(frame)), close: () => socket.close() };
}
