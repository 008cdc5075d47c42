import { StatusError } from '#api/machinery/status';
import type { ClientFrame } from '#contract/frames';

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Reads one message of the renderer. Throws StatusError BadRequest when it is no {@link ClientFrame}. */
export function decodeClientFrame(message: unknown): ClientFrame {
  if (typeof message === 'object' && message !== null) {
    const { type, id, name, request, count } = message as Readonly<Record<string, unknown>>;
    if (isId(id)) {
      if ((type === 'call' || type === 'watch') && typeof name === 'string') return { type, id, name, request };
      if (type === 'credit' && isId(count)) return { type, id, count };
      if (type === 'cancel') return { type, id };
    }
  }
  throw new StatusError('BadRequest', 'not a frame of the contract');
}
