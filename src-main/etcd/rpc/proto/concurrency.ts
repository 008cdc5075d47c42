/** etcd's Lock and Election services (etcd 3.6, `server/etcdserver/api/v3lock` and `v3election`): names, numbers and types of the wire format. Values of enums are sent as plain numbers. */
export const concurrencyMessages = `
message LockRequest { bytes name = 1; int64 lease = 2; }
message LockResponse { ResponseHeader header = 1; bytes key = 2; }
message UnlockRequest { bytes key = 1; }
message UnlockResponse { ResponseHeader header = 1; }
message LeaderKey { bytes name = 1; bytes key = 2; int64 rev = 3; int64 lease = 4; }
message CampaignRequest { bytes name = 1; int64 lease = 2; bytes value = 3; }
message CampaignResponse { ResponseHeader header = 1; LeaderKey leader = 2; }
message LeaderRequest { bytes name = 1; }
message LeaderResponse { ResponseHeader header = 1; KeyValue kv = 2; }
message ResignRequest { LeaderKey leader = 1; }
message ResignResponse { ResponseHeader header = 1; }
message ProclaimRequest { LeaderKey leader = 1; bytes value = 2; }
message ProclaimResponse { ResponseHeader header = 1; }
`;
