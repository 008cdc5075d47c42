import { createHash } from 'node:crypto';

/** etcd's number of a member or cluster, made from its name: 64 bits. */
export function idOf(text: string): bigint {
  return createHash('sha1').update(text).digest().readBigUInt64BE();
}

/** The number of the embedded store called `name`, as a member of itself. */
export function memberIdOf(name: string): bigint {
  return idOf(`member ${name}`);
}
