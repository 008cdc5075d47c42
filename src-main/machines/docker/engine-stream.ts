import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';

/** One line of the engine's JSON progress streams (build, pull, import, load). */
export interface EngineLine {
  readonly stream: string | undefined;
  readonly status: string | undefined;
  /** What went wrong; nothing follows. */
  readonly error: string | undefined;
  /** Bytes done and to do of one layer, while it is pulled. */
  readonly current: number | undefined;
  readonly total: number | undefined;
}

/** Decodes a progress stream, line by line; ends with `context` by throwing CancelledError. */
export async function* engineLines(context: Context, body: NodeJS.ReadableStream): AsyncGenerator<EngineLine> {
  for await (const line of textLines(context, body)) {
    const raw = JSON.parse(line) as {
      stream?: string;
      status?: string;
      error?: string;
      progressDetail?: { current?: number; total?: number };
    };
    yield {
      stream: raw.stream,
      status: raw.status,
      error: raw.error,
      current: raw.progressDetail?.current,
      total: raw.progressDetail?.total,
    };
  }
}

/** The lines of a body that are not empty. */
export async function* textLines(context: Context, body: NodeJS.ReadableStream): AsyncGenerator<string> {
  const end = context.onEnd(() => {
    if ('destroy' in body && typeof body.destroy === 'function') body.destroy();
  });
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const chunk of body) {
      rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield line;
    }
    if (rest.trim() !== '') yield rest;
  } catch (error) {
    if (context.ended) throw new CancelledError(context.endedBy ?? 'cancelled');
    throw error;
  } finally {
    end.dispose();
  }
  context.check();
}
