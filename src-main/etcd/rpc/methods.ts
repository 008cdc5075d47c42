/** One method of etcd's v3 API: where it is, and the messages of schema.ts it takes and gives. */
export interface RpcMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly request: string;
  readonly response: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

type Shape = 'unary' | 'server-stream' | 'bidi';

function method(service: string, name: string, messages: string, shape: Shape = 'unary'): RpcMethod {
  return {
    path: `/${service}/${name}`,
    request: `${messages}Request`,
    response: `${messages}Response`,
    requestStream: shape === 'bidi',
    responseStream: shape !== 'unary',
  };
}

const auth = (name: string): RpcMethod =>
  method('etcdserverpb.Auth', name, name.startsWith('Auth') ? name : `Auth${name}`);
const cluster = (name: string): RpcMethod => method('etcdserverpb.Cluster', name, name);
const election = (name: string): RpcMethod => method('v3electionpb.Election', name, name);
const kv = (name: string, messages = name): RpcMethod => method('etcdserverpb.KV', name, messages);
const lease = (name: string, shape?: Shape): RpcMethod => method('etcdserverpb.Lease', name, name, shape);
const maintenance = (name: string, shape?: Shape): RpcMethod => method('etcdserverpb.Maintenance', name, name, shape);

/** Every method that etcd 3.6 serves, by service. */
export const methods = {
  kv: {
    range: kv('Range'),
    put: kv('Put'),
    deleteRange: kv('DeleteRange'),
    txn: kv('Txn'),
    compact: kv('Compact', 'Compaction'),
  },
  watch: { watch: method('etcdserverpb.Watch', 'Watch', 'Watch', 'bidi') },
  lease: {
    grant: lease('LeaseGrant'),
    revoke: lease('LeaseRevoke'),
    keepAlive: lease('LeaseKeepAlive', 'bidi'),
    timeToLive: lease('LeaseTimeToLive'),
    leases: lease('LeaseLeases'),
  },
  cluster: {
    list: cluster('MemberList'),
    add: cluster('MemberAdd'),
    remove: cluster('MemberRemove'),
    update: cluster('MemberUpdate'),
    promote: cluster('MemberPromote'),
  },
  maintenance: {
    alarm: maintenance('Alarm'),
    status: maintenance('Status'),
    defragment: maintenance('Defragment'),
    hash: maintenance('Hash'),
    hashKv: maintenance('HashKV'),
    snapshot: maintenance('Snapshot', 'server-stream'),
    moveLeader: maintenance('MoveLeader'),
    downgrade: maintenance('Downgrade'),
  },
  auth: {
    enable: auth('AuthEnable'),
    disable: auth('AuthDisable'),
    status: auth('AuthStatus'),
    authenticate: auth('Authenticate'),
    userAdd: auth('UserAdd'),
    userGet: auth('UserGet'),
    userList: auth('UserList'),
    userDelete: auth('UserDelete'),
    userChangePassword: auth('UserChangePassword'),
    userGrantRole: auth('UserGrantRole'),
    userRevokeRole: auth('UserRevokeRole'),
    roleAdd: auth('RoleAdd'),
    roleGet: auth('RoleGet'),
    roleList: auth('RoleList'),
    roleDelete: auth('RoleDelete'),
    roleGrantPermission: auth('RoleGrantPermission'),
    roleRevokePermission: auth('RoleRevokePermission'),
  },
  lock: {
    lock: method('v3lockpb.Lock', 'Lock', 'Lock'),
    unlock: method('v3lockpb.Lock', 'Unlock', 'Unlock'),
  },
  election: {
    campaign: election('Campaign'),
    proclaim: election('Proclaim'),
    leader: election('Leader'),
    observe: method('v3electionpb.Election', 'Observe', 'Leader', 'server-stream'),
    resign: election('Resign'),
  },
  health: {
    check: method('grpc.health.v1.Health', 'Check', 'HealthCheck'),
    watch: method('grpc.health.v1.Health', 'Watch', 'HealthCheck', 'server-stream'),
  },
} as const;
