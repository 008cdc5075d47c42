import protobuf from 'protobufjs';
import { authMessages } from './proto/auth.ts';
import { concurrencyMessages } from './proto/concurrency.ts';
import { kvMessages } from './proto/kv.ts';
import { memberMessages } from './proto/member.ts';
import { watchLeaseMessages } from './proto/watch-lease.ts';

/**
 * The one table of messages of etcd's v3 API, for the server and the client. All messages share one package: their names
 * differ, and the wire does not carry packages.
 */
const schema = `syntax = "proto3"; package etcdserverpb;
${kvMessages}${watchLeaseMessages}${memberMessages}${authMessages}${concurrencyMessages}`;

let root: protobuf.Root | undefined;
const types = new Map<string, protobuf.Type>();

/** Parsed when first asked for. */
function messageType(name: string): protobuf.Type {
  const known = types.get(name);
  if (known) return known;
  root ??= protobuf.parse(schema, { keepCase: true }).root;
  const type = root.lookupType(`etcdserverpb.${name}`);
  types.set(name, type);
  return type;
}

/** A message's plain object: int64 as decimal strings, absent fields with their defaults, absent messages null (outside of a oneof). */
export function decodeMessage<T>(name: string, bytes: Uint8Array): T {
  const type = messageType(name);
  return type.toObject(type.decode(bytes), { longs: String, defaults: true }) as T;
}

/** int64 and uint64 fields may be given as numbers or, above 2^53, as decimal strings. */
export function encodeMessage(name: string, message: object): Buffer {
  return Buffer.from(messageType(name).encode(message).finish());
}
