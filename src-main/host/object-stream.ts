import type { KubeList, KubeObject, WatchEvent } from '#api/machinery/object';
import { StatusError, type Status } from '#api/machinery/status';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Transport } from '#client/transport';
import type { ObjectsRequest, StreamEvent } from '#contract/watches';

type ObjectEvent = StreamEvent<KubeObject>;

/** Path of a collection: `/apis/apps/v1/namespaces/shop/deployments`. */
export function collectionPath(request: Omit<ObjectsRequest, 'lab'>): string {
  const { group, version, resource, namespace } = request;
  const root = group === '' ? `/api/${version}` : `/apis/${encodeURIComponent(group)}/${version}`;
  const scope = namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${encodeURIComponent(resource)}`;
}

/**
 * One resource as a contract stream: list, BOOKMARK, then the watch. While the reader makes us wait, only the last state
 * of each object is kept, so that a slow window costs no memory.
 */
export async function* objectStream(
  context: Context,
  transport: Transport,
  request: ObjectsRequest,
): AsyncGenerator<ObjectEvent> {
  const path = collectionPath(request);
  const list = (await transport.request(context, { method: 'GET', path })) as KubeList;
  for (const object of list.items) yield { type: 'ADDED', object };
  yield { type: 'BOOKMARK' };
  const query = { resourceVersion: list.metadata.resourceVersion, allowWatchBookmarks: 'true' };
  const scope = context.withCancel();
  try {
    const pending = new PendingEvents();
    void pump(await transport.watch(scope.context, { method: 'GET', path, query }), pending);
    yield* pending.read(scope.context);
  } finally {
    scope.cancel();
  }
}

async function pump(frames: AsyncIterable<WatchEvent>, pending: PendingEvents): Promise<void> {
  try {
    for await (const frame of frames) {
      if (frame.type === 'ERROR') return pending.end(statusOf(frame.object));
      if (frame.type !== 'BOOKMARK') pending.put(frame.type, frame.object);
    }
    pending.end(new StatusError('Expired', 'the watch ended').toStatus());
  } catch (error) {
    pending.end(
      error instanceof StatusError
        ? error.toStatus()
        : new StatusError('ServiceUnavailable', messageOf(error)).toStatus(),
    );
  }
}

function statusOf(object: unknown): Status {
  return StatusError.fromWire(500, object).toStatus();
}

type Change = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Changes not yet read, the newest of each object, in order of their first change. */
class PendingEvents {
  readonly #events = new Map<string, { readonly type: Change; readonly object: KubeObject }>();
  #failure: Status | undefined;
  #wake: (() => void) | undefined;

  put(type: Change, object: KubeObject): void {
    const uid = object.metadata.uid ?? '';
    const waiting = this.#events.get(uid)?.type;
    if (waiting === 'ADDED' && type === 'DELETED') this.#events.delete(uid);
    else this.#events.set(uid, { type: waiting === 'ADDED' ? 'ADDED' : type, object });
    this.#wake?.();
  }

  end(status: Status): void {
    this.#failure = status;
    this.#wake?.();
  }

  async *read(context: Context): AsyncGenerator<ObjectEvent> {
    const registration = context.onEnd(() => this.#wake?.());
    try {
      while (!context.ended) {
        const [next] = this.#events;
        if (next) {
          this.#events.delete(next[0]);
          yield next[1];
        } else if (this.#failure) {
          yield { type: 'ERROR', status: this.#failure };
          return;
        } else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      registration.dispose();
    }
  }
}
