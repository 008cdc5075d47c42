import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { revision, type EtcdClient, type Revision } from '../client.ts';
import { frame } from './grpc/framing.ts';
import type { GrpcHandler, ServerStream } from './grpc/handlers.ts';
import { GrpcError } from './grpc/status.ts';
import type { RpcMethod } from './methods.ts';
import { decodeMessage, encodeMessage } from './schema.ts';

/** A method's path and what serves it. */
export type Served = readonly [path: string, handler: GrpcHandler];

/** How one method's messages are read and written. */
export interface MethodCodec<Request, Response> {
  decode(bytes: Buffer): Request;
  /** With the prefix of {@link frame}. */
  encode(message: Response): Buffer;
}

/** Reads and writes by the tables of schema.ts. Requests are typed in messages.ts. */
export function tableCodec<Request>(method: RpcMethod): MethodCodec<Request, object> {
  return {
    decode: (bytes) => {
      try {
        return decodeMessage<Request>(method.request, bytes);
      } catch (error) {
        const text = `grpc: error unmarshalling request: ${messageOf(error)}`;
        throw new GrpcError('INTERNAL', text, { cause: error });
      }
    },
    encode: (message) => frame(encodeMessage(method.response, message)),
  };
}

export function unary<Request, Response = object>(
  method: RpcMethod,
  codec: MethodCodec<Request, Response>,
  handle: (context: Context, message: Request, requestBytes: number) => Promise<Response>,
): Served {
  return [
    method.path,
    {
      kind: 'unary',
      handle: async (context, bytes) => codec.encode(await handle(context, codec.decode(bytes), bytes.length)),
    },
  ];
}

export interface MessageStream<Response> extends Omit<ServerStream, 'send'> {
  /** Undefined while the client has room for more; else resolves when it has. */
  send(message: Response): Promise<void> | undefined;
}

export interface MessageReceiver<Request> {
  receive(message: Request): Promise<void>;
  /** The client has sent its last message; the stream ends when this resolves. Absent: at once. */
  finish?(): Promise<void>;
}

export function stream<Request, Response = object>(
  method: RpcMethod,
  codec: MethodCodec<Request, Response>,
  open: (stream: MessageStream<Response>) => MessageReceiver<Request>,
): Served {
  return [
    method.path,
    {
      kind: 'stream',
      open: (calls) => {
        const { context, peer } = calls;
        const receiver = open({ context, peer, send: (message) => calls.send(codec.encode(message)) });
        return {
          receive: (bytes) => receiver.receive(codec.decode(bytes)),
          finish: () => receiver.finish?.() ?? Promise.resolve(),
        };
      },
    },
  ];
}

/** Names of this etcd in response headers. There is one member, and no elections: the raft term never changes. */
export interface Identity {
  /** Decimal: both go beyond 2^53. */
  readonly clusterId: string;
  readonly memberId: string;
  readonly raftTerm: number;
}

export interface HeaderMessage {
  readonly cluster_id: string;
  readonly member_id: string;
  readonly revision: number;
  readonly raft_term: number;
}

export function header(identity: Identity, revision: number): HeaderMessage {
  const { clusterId, memberId, raftTerm } = identity;
  return { cluster_id: clusterId, member_id: memberId, revision, raft_term: raftTerm };
}

/** The cheapest question that tells the revision. */
export async function currentRevision(etcd: EtcdClient, context: Context): Promise<Revision> {
  const answer = await etcd.range(context, { key: '\0', countOnly: true, serializable: true });
  return revision(answer.revision);
}
