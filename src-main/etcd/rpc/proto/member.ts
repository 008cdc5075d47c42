/** etcd's Cluster and Maintenance services (etcd 3.6, `api/etcdserverpb/rpc.proto`) and gRPC's health check: names, numbers and types of the wire format. Values of enums are sent as plain numbers. */
export const memberMessages = `
message MemberListRequest { bool linearizable = 1; }
message Member { uint64 ID = 1; string name = 2; repeated string peerURLs = 3; repeated string clientURLs = 4; bool isLearner = 5; }
message MemberListResponse { ResponseHeader header = 1; repeated Member members = 2; }
message MemberAddRequest { repeated string peerURLs = 1; bool isLearner = 2; }
message MemberAddResponse { ResponseHeader header = 1; Member member = 2; repeated Member members = 3; }
message MemberRemoveRequest { uint64 ID = 1; }
message MemberRemoveResponse { ResponseHeader header = 1; repeated Member members = 2; }
message MemberUpdateRequest { uint64 ID = 1; repeated string peerURLs = 2; }
message MemberUpdateResponse { ResponseHeader header = 1; repeated Member members = 2; }
message MemberPromoteRequest { uint64 ID = 1; }
message MemberPromoteResponse { ResponseHeader header = 1; repeated Member members = 2; }

message StatusRequest { }
message StatusResponse {
  ResponseHeader header = 1; string version = 2; int64 dbSize = 3; uint64 leader = 4; uint64 raftIndex = 5; uint64 raftTerm = 6;
  uint64 raftAppliedIndex = 7; repeated string errors = 8; int64 dbSizeInUse = 9; bool isLearner = 10;
}
message AlarmRequest { int32 action = 1; uint64 memberID = 2; int32 alarm = 3; }
message AlarmMember { uint64 memberID = 1; int32 alarm = 2; }
message AlarmResponse { ResponseHeader header = 1; repeated AlarmMember alarms = 2; }
message DefragmentRequest { }
message DefragmentResponse { ResponseHeader header = 1; }
message HashRequest { }
message HashResponse { ResponseHeader header = 1; uint32 hash = 2; }
message HashKVRequest { int64 revision = 1; }
message HashKVResponse { ResponseHeader header = 1; uint32 hash = 2; int64 compact_revision = 3; int64 hash_revision = 4; }
message SnapshotRequest { }
message SnapshotResponse { ResponseHeader header = 1; uint64 remaining_bytes = 2; bytes blob = 3; string version = 4; }
message MoveLeaderRequest { uint64 targetID = 1; }
message MoveLeaderResponse { ResponseHeader header = 1; }
message DowngradeRequest { int32 action = 1; string version = 2; }
message DowngradeResponse { ResponseHeader header = 1; string version = 2; }
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse { int32 status = 1; }
`;
