/** etcd's Auth service (etcd 3.6, `api/etcdserverpb/rpc.proto` and `api/authpb/auth.proto`): names, numbers and types of the wire format. Values of enums are sent as plain numbers. */
export const authMessages = `
message Permission { int32 permType = 1; bytes key = 2; bytes range_end = 3; }
message UserAddOptions { bool no_password = 1; }
message AuthEnableRequest { }
message AuthEnableResponse { ResponseHeader header = 1; }
message AuthDisableRequest { }
message AuthDisableResponse { ResponseHeader header = 1; }
message AuthStatusRequest { }
message AuthStatusResponse { ResponseHeader header = 1; bool enabled = 2; uint64 authRevision = 3; }
message AuthenticateRequest { string name = 1; string password = 2; }
message AuthenticateResponse { ResponseHeader header = 1; string token = 2; }
message AuthUserAddRequest { string name = 1; string password = 2; UserAddOptions options = 3; string hashedPassword = 4; }
message AuthUserAddResponse { ResponseHeader header = 1; }
message AuthUserGetRequest { string name = 1; }
message AuthUserGetResponse { ResponseHeader header = 1; repeated string roles = 2; }
message AuthUserListRequest { }
message AuthUserListResponse { ResponseHeader header = 1; repeated string users = 2; }
message AuthUserDeleteRequest { string name = 1; }
message AuthUserDeleteResponse { ResponseHeader header = 1; }
message AuthUserChangePasswordRequest { string name = 1; string password = 2; string hashedPassword = 3; }
message AuthUserChangePasswordResponse { ResponseHeader header = 1; }
message AuthUserGrantRoleRequest { string user = 1; string role = 2; }
message AuthUserGrantRoleResponse { ResponseHeader header = 1; }
message AuthUserRevokeRoleRequest { string name = 1; string role = 2; }
message AuthUserRevokeRoleResponse { ResponseHeader header = 1; }
message AuthRoleAddRequest { string name = 1; }
message AuthRoleAddResponse { ResponseHeader header = 1; }
message AuthRoleGetRequest { string role = 1; }
message AuthRoleGetResponse { ResponseHeader header = 1; repeated Permission perm = 2; }
message AuthRoleListRequest { }
message AuthRoleListResponse { ResponseHeader header = 1; repeated string roles = 2; }
message AuthRoleDeleteRequest { string role = 1; }
message AuthRoleDeleteResponse { ResponseHeader header = 1; }
message AuthRoleGrantPermissionRequest { string name = 1; Permission perm = 2; }
message AuthRoleGrantPermissionResponse { ResponseHeader header = 1; }
message AuthRoleRevokePermissionRequest { string role = 1; bytes key = 2; bytes range_end = 3; }
message AuthRoleRevokePermissionResponse { ResponseHeader header = 1; }
`;
