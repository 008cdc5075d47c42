/** One method of etcd's API, its messages named as in rpc/schema.ts. */
export interface RemoteMethod {
  readonly path: string;
  readonly request: string;
  readonly response: string;
}

function method(service: string, name: string, messages = name): RemoteMethod {
  return {
    path: `/etcdserverpb.${service}/${name}`,
    request: `${messages}Request`,
    response: `${messages}Response`,
  };
}

/** The methods of etcd's v3 API that the client calls. */
export const methods = {
  range: method('KV', 'Range'),
  txn: method('KV', 'Txn'),
  compact: method('KV', 'Compact', 'Compaction'),
  watch: method('Watch', 'Watch'),
  leaseGrant: method('Lease', 'LeaseGrant'),
  leaseRevoke: method('Lease', 'LeaseRevoke'),
  leaseKeepAlive: method('Lease', 'LeaseKeepAlive'),
  leaseTimeToLive: method('Lease', 'LeaseTimeToLive'),
  leases: method('Lease', 'LeaseLeases'),
  memberList: method('Cluster', 'MemberList'),
  status: method('Maintenance', 'Status'),
  alarm: method('Maintenance', 'Alarm'),
  hash: method('Maintenance', 'Hash'),
  hashKv: method('Maintenance', 'HashKV'),
  defragment: method('Maintenance', 'Defragment'),
  snapshot: method('Maintenance', 'Snapshot'),
} as const;

/** Decimal, as schema.ts reads 64-bit numbers. */
export type Int64 = string;

export interface HeaderMessage {
  readonly cluster_id: Int64;
  readonly member_id: Int64;
  readonly revision: Int64;
  readonly raft_term: Int64;
}

export interface Answer {
  readonly header?: HeaderMessage;
}

export interface KeyValueMessage {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly create_revision: Int64;
  readonly mod_revision: Int64;
  readonly version: Int64;
  readonly lease: Int64;
}

export interface RangeAnswer extends Answer {
  readonly kvs: readonly KeyValueMessage[];
  readonly more: boolean;
  readonly count: Int64;
}

export interface TxnAnswer extends Answer {
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOpMessage[];
}

export interface ResponseOpMessage {
  readonly response_range?: RangeAnswer;
  readonly response_put?: Answer & { readonly prev_kv?: KeyValueMessage };
  readonly response_delete_range?: Answer & { readonly deleted: Int64; readonly prev_kvs: readonly KeyValueMessage[] };
  readonly response_txn?: TxnAnswer;
}

export interface WatchAnswer extends Answer {
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: Int64;
  readonly cancel_reason: string;
  readonly events: readonly {
    /** 0 put, 1 delete. */
    readonly type: number;
    readonly kv?: KeyValueMessage;
    readonly prev_kv?: KeyValueMessage;
  }[];
}

export interface LeaseAnswer extends Answer {
  readonly ID: Int64;
  readonly TTL: Int64;
  readonly grantedTTL?: Int64;
  readonly keys?: readonly Uint8Array[];
}

export interface LeasesAnswer extends Answer {
  readonly leases: readonly { readonly ID: Int64 }[];
}

export interface MemberListAnswer extends Answer {
  readonly members: readonly {
    readonly ID: Int64;
    readonly name: string;
    readonly peerURLs: readonly string[];
    readonly clientURLs: readonly string[];
  }[];
}

export interface StatusAnswer extends Answer {
  readonly version: string;
  readonly dbSize: Int64;
  readonly dbSizeInUse: Int64;
  readonly leader: Int64;
  readonly raftIndex: Int64;
  readonly raftTerm: Int64;
}

export interface AlarmAnswer extends Answer {
  readonly alarms: readonly { readonly memberID: Int64; readonly alarm: number }[];
}

export interface HashAnswer extends Answer {
  readonly hash: number;
}

export interface HashKvAnswer extends HashAnswer {
  readonly compact_revision: Int64;
}

export interface SnapshotAnswer extends Answer {
  readonly blob: Uint8Array;
}
