import type { Context } from '#base/context';
import type { CallName, CallRequest, CallResponse } from '#contract/calls';
import type { StreamEvent, WatchItem, WatchName, WatchRequest } from '#contract/watches';

export type CallHandler<N extends CallName> = (context: Context, request: CallRequest<N>) => Promise<CallResponse<N>>;
type Handlers<Names extends CallName> = { readonly [N in Names]: CallHandler<N> };

/**
 * What a host does for its UI: one function a call, one a watch. Requests are already validated. Functions throw
 * StatusError for what a person can do something about; anything else crosses as an InternalError and is logged.
 *
 * A watch yields as `contract/watches.ts` says. Reading stops while the reader has no credits, so a function that cannot
 * make its source wait has to gather (keep the last state of each object) or end with Expired. Breaking out of the
 * iteration, or the end of `context`, closes the watch.
 */
export interface ContractHandlers {
  readonly calls: Handlers<CallName>;
  readonly watches: {
    readonly [N in WatchName]: (context: Context, request: WatchRequest<N>) => AsyncIterable<StreamEvent<WatchItem<N>>>;
  };
}

/** A home that is open: its labs, and what its UI may ask. */
export interface Host {
  readonly handlers: ContractHandlers;
  /** Stops the labs in order and lets go of the home. Idempotent. */
  stop(): Promise<void>;
}
