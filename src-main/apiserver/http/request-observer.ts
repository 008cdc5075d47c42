import type { RequestInfo } from './request-info.ts';

/** Hears of every request; the metrics count with it. */
export interface RequestObserver {
  /** Called when a request is understood. The function it gives is called once, with the status of the answer. */
  started(info: RequestInfo, longRunning: boolean): (status: number) => void;
}

/** Whether the answer to a request may take for ever, as upstream decides it: watches, and streams of bytes. */
export function isLongRunning(info: RequestInfo): boolean {
  if (!info.isResourceRequest) return false;
  return info.verb === 'watch' || ['log', 'exec', 'attach', 'portforward', 'proxy'].includes(info.subresource);
}
