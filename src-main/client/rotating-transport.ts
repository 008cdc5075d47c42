import type { WatchEvent } from '#api/machinery/object';
import type { Context } from '#base/context';
import type { Transport, TransportRequest } from './transport.ts';

/**
 * A {@link Transport} whose credentials change while it is used. What is under way ends as it began, with the old ones:
 * no watch is broken by a rotation.
 */
export class RotatingTransport implements Transport {
  #current: Transport;

  constructor(current: Transport) {
    this.#current = current;
  }

  replace(current: Transport): void {
    this.#current = current;
  }

  request(context: Context, request: TransportRequest): Promise<unknown> {
    return this.#current.request(context, request);
  }

  watch(context: Context, request: TransportRequest): Promise<AsyncIterable<WatchEvent>> {
    return this.#current.watch(context, request);
  }
}
