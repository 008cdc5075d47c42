/**
 * Why a write happens. A person's request has no `revision`; a controller's write names the store revision of the watched
 * change that it is answering, so that a chain of writes can be walked back to the person who started it.
 *
 * On the wire: `traceparent: 00-<traceId>-<spanId>-01` and, when a watched change is answered,
 * `tracestate: drydock=<revision>` (W3C Trace Context, level 1).
 */
export interface Cause {
  /** 32 lower-case hex digits, shared by a whole chain. */
  readonly traceId: string;
  /** 16 lower-case hex digits, of the step that asks. */
  readonly spanId: string;
  /** The `resourceVersion` of the watched change being answered, as a decimal string. */
  readonly revision?: string;
}

/** What is kept beside a store revision and can be read back. */
export interface WriteRecord {
  /** Name of the authenticated user, for example `system:kube-scheduler`. */
  readonly user: string;
  readonly userAgent: string;
  /** For example `create pods default/web-0` or `patch deployments/scale default/web`. */
  readonly request: string;
  readonly traceId: string;
  readonly spanId: string;
  /** The revision of the change this write answered; absent where a chain begins. */
  readonly causedBy?: string;
  /** Milliseconds since the epoch, of the lab's clock. */
  readonly timeMs: number;
}

const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/** The two headers for `cause`. */
export function causeHeaders(cause: Cause): Record<string, string> {
  const headers: Record<string, string> = { traceparent: `00-${cause.traceId}-${cause.spanId}-01` };
  if (cause.revision !== undefined) headers['tracestate'] = `drydock=${cause.revision}`;
  return headers;
}

/** Reads the two headers back; undefined when `traceparent` is absent or malformed, as the standard asks. */
export function parseCause(traceparent: string | undefined, tracestate: string | undefined): Cause | undefined {
  const match = traceparentPattern.exec(traceparent ?? '');
  const [, traceId, spanId] = match ?? [];
  if (!traceId || !spanId || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const revision = /(?:^|,)\s*drydock=(\d+)/.exec(tracestate ?? '')?.[1];
  return revision === undefined ? { traceId, spanId } : { traceId, spanId, revision };
}
