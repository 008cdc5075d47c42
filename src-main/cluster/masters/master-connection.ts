import { isStatus, StatusError } from '#api/machinery/status';
import type { ApiHandler, ApiRequest, ApiResponse } from '#apiserver/request';
import type { Context } from '#base/context';
import type { Master } from './master.ts';

/**
 * A client of this process that reaches the API servers through their one address: it stays with one, as a kept connection
 * does, and goes to another when that one is gone. A read that was cut off is asked again there, as HTTP clients do; a write
 * is not, because nobody knows whether it was done. Watches end with their API server, and their readers watch again from
 * where they were.
 */
export class MasterConnection implements ApiHandler {
  readonly #pick: () => Master | undefined;
  #current: Master | undefined;

  /** `pick` chooses among those that serve. */
  constructor(pick: () => Master | undefined) {
    this.#pick = pick;
  }

  async handle(context: Context, request: ApiRequest): Promise<ApiResponse> {
    for (;;) {
      const master = this.#reach();
      try {
        return await master.apiServer.handler.handle(context, request);
      } catch (error) {
        const isRead = request.method === 'GET' || request.method === 'HEAD';
        const wasCutOff = !master.serves && isStatus(error, 'ServiceUnavailable');
        if (!isRead || !wasCutOff || context.ended) throw error;
      }
    }
  }

  #reach(): Master {
    if (!this.#current?.serves) this.#current = this.#pick();
    if (this.#current) return this.#current;
    throw new StatusError('ServiceUnavailable', 'the server is currently unable to handle the request');
  }
}
