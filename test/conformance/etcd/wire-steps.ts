import { methods, type RpcMethod } from '#etcd/rpc/methods';

/** One call, and what of its answer may differ between etcd and the embedded store. */
export interface WireStep {
  readonly method: RpcMethod;
  readonly message: object;
  readonly title: string;
}

const step = (method: RpcMethod, message: object, title = JSON.stringify(message)): WireStep => ({
  method,
  message,
  title: `${method.path} ${title}`,
});
const b = (text: string): Buffer => Buffer.from(text);
const { kv, lease, cluster, maintenance, auth, election, lock } = methods;
const put = (key: string, value: string, more: object = {}): object => ({ key: b(key), value: b(value), ...more });

const puts: readonly WireStep[] = [
  step(kv.put, put('a', '1')),
  step(kv.put, put('a', '2', { prev_kv: true })),
  step(kv.put, put('', '1'), 'without key'),
  step(kv.put, put('b', '1', { lease: '4711' }), 'with an unknown lease'),
  step(kv.put, put('a', 'x', { ignore_value: true }), 'with ignore_value and a value'),
  step(kv.put, put('a', '', { ignore_value: true, prev_kv: true }), 'with ignore_value'),
  step(kv.put, put('missing', '', { ignore_value: true }), 'with ignore_value, no such key'),
  step(kv.put, put('a', 'x', { ignore_lease: true, lease: '1' }), 'with ignore_lease and a lease'),
  step(kv.put, put('a', '3', { ignore_lease: true }), 'with ignore_lease'),
  step(kv.put, { key: b('large'), value: Buffer.alloc(1_600_000) }, 'of 1.6 MB'),
  step(kv.put, { key: b('large'), value: Buffer.alloc(2_200_000) }, 'of 2.2 MB'),
  step(kv.put, { key: b('k'.repeat(40_000)), value: b('') }, 'with a key of 40 kB'),
  step(kv.put, put('c', 'z')),
  step(kv.put, put('b', 'y')),
];

const range = (message: object): WireStep => step(kv.range, { key: b('a'), range_end: b('d'), ...message });
const ranges: readonly WireStep[] = [
  range({}),
  range({ limit: 2 }),
  range({ limit: -1 }),
  range({ count_only: true }),
  range({ keys_only: true, serializable: true }),
  ...[0, 1, 2].flatMap((sort_order) =>
    [0, 1, 2, 3, 4].map((sort_target) => range({ sort_order, sort_target, limit: 2 })),
  ),
  range({ min_mod_revision: 5 }),
  range({ max_mod_revision: 5, limit: 1 }),
  range({ min_create_revision: 3, max_create_revision: 100, keys_only: true }),
  range({ revision: 3 }),
  range({ revision: 999 }),
  range({ revision: -1 }),
  step(kv.range, { key: b('') }, 'without key'),
  step(kv.range, { key: b(''), range_end: b('\0') }, 'without key, to the end'),
  step(kv.range, { key: b('\0'), range_end: b('\0'), count_only: true }, 'everything'),
  step(kv.range, { key: b('b'), range_end: b('a') }, 'backwards'),
];

const compare = (target: number, field: object, result = 0): object => ({ key: b('a'), target, result, ...field });
const txn = (message: object, title?: string): WireStep => step(kv.txn, message, title);
const many = Array.from({ length: 129 }, (_, i) => ({ request_put: put(`many/${i}`, '') }));
const txns: readonly WireStep[] = [
  txn({}),
  ...[0, 1, 2, 3].flatMap((result) => [
    txn({ compare: [compare(0, { version: 4 }, result)], success: [{ request_range: { key: b('a') } }] }),
    txn({ compare: [compare(1, { create_revision: 2 }, result)] }),
    txn({ compare: [compare(2, { mod_revision: 4 }, result)] }),
    txn({ compare: [compare(3, { value: b('3') }, result)] }),
    txn({ compare: [compare(4, { lease: '0' }, result)] }),
    txn({ compare: [{ ...compare(0, { version: 1 }, result), range_end: b('d') }] }),
    txn({ compare: [{ key: b('nobody'), target: 3, value: b(''), result }] }),
  ]),
  txn({
    success: [
      { request_put: put('t', '1') },
      { request_range: { key: b('t') } },
      { request_delete_range: { key: b('b'), prev_kv: true } },
      { request_txn: { compare: [compare(0, { version: 99 })], failure: [{ request_put: put('u', '1') }] } },
      { request_range: { key: b('t'), range_end: b('v'), limit: 1 } },
    ],
  }),
  txn({ success: [{ request_put: put('t', '1') }, { request_put: put('t', '2') }] }),
  txn({ success: [{ request_put: put('t', '1') }, { request_delete_range: { key: b('a'), range_end: b('z') } }] }),
  txn({ success: [{ request_put: put('', '1') }] }, 'with an empty key'),
  txn({ compare: [{ key: b(''), target: 0 }] }, 'comparing an empty key'),
  txn({ success: many }, 'of 129 operations'),
  txn({ success: [{ request_put: put('v', '1', { lease: '99' }) }] }),
  txn({ success: [{ request_put: put('nobody', '', { ignore_value: true }) }] }),
  txn({ success: [{ request_put: put('w', '1') }, { request_range: { key: b('w'), revision: 999 } }] }),
];

const deletions: readonly WireStep[] = [
  step(kv.deleteRange, { key: b('') }, 'without key'),
  step(kv.deleteRange, { key: b('nobody'), prev_kv: true }),
  step(kv.deleteRange, { key: b('t'), range_end: b('v'), prev_kv: true }),
];

const leases: readonly WireStep[] = [
  step(lease.grant, { TTL: 100, ID: '7587869134279012345' }),
  step(lease.grant, { TTL: 100, ID: '7587869134279012345' }, 'the same again'),
  step(lease.grant, { TTL: 100, ID: '-5' }),
  step(lease.grant, { TTL: '9000000001', ID: '6' }),
  step(kv.put, put('leased', '1', { lease: '7587869134279012345' })),
  step(kv.range, { key: b('leased') }),
  step(lease.leases, {}),
  step(lease.timeToLive, { ID: '7587869134279012345', keys: true }),
  step(lease.timeToLive, { ID: '1' }),
  step(lease.revoke, { ID: '1' }),
  step(lease.revoke, { ID: '7587869134279012345' }),
  step(kv.range, { key: b('leased') }),
  step(lease.revoke, { ID: '-5' }),
];

const compactions: readonly WireStep[] = [
  step(kv.compact, { revision: 999 }),
  step(kv.compact, { revision: 6, physical: true }),
  step(kv.compact, { revision: 6 }),
  step(kv.compact, { revision: 3 }),
  range({ revision: 5 }),
  range({ revision: 6 }),
];

const members: readonly WireStep[] = [
  step(cluster.add, { peerURLs: [] }),
  step(cluster.add, { peerURLs: ['nowhere'] }),
  step(cluster.remove, { ID: '1' }),
  step(cluster.update, { ID: '1', peerURLs: ['http://127.0.0.1:1'] }),
  step(cluster.promote, { ID: '1' }),
  step(maintenance.moveLeader, { targetID: '1' }),
  step(maintenance.alarm, {}),
  step(maintenance.alarm, { action: 2, alarm: 1 }),
  step(maintenance.defragment, {}),
  step(maintenance.hashKv, { revision: 999 }),
  step(maintenance.hashKv, { revision: 2 }),
];

const authentication: readonly WireStep[] = [
  step(auth.enable, {}),
  step(auth.authenticate, { name: 'a', password: 'b' }),
  step(auth.userList, {}),
  step(auth.roleList, {}),
  step(auth.userAdd, { name: '' }),
  step(auth.userGet, { name: 'a' }),
  step(auth.userDelete, { name: 'a' }),
  step(auth.userChangePassword, { name: 'a', password: 'b' }),
  step(auth.userGrantRole, { user: 'a', role: 'b' }),
  step(auth.userRevokeRole, { name: 'a', role: 'b' }),
  step(auth.roleGet, { role: 'a' }),
  step(auth.roleDelete, { role: 'a' }),
  step(auth.roleGrantPermission, { name: 'a', perm: { permType: 0, key: b('a') } }),
  step(auth.roleRevokePermission, { role: 'a', key: b('a') }),
];

const office = { name: b('office'), lease: '77' };
const leader = { ...office, key: b('office/4d') };
const concurrency: readonly WireStep[] = [
  step(lease.grant, { TTL: 100, ID: '77' }),
  step(lock.lock, { name: b('door'), lease: '77' }),
  step(lock.lock, { name: b('door'), lease: '77' }, 'again'),
  step(lock.unlock, { key: b('door/4d') }),
  step(lock.lock, { name: b('door'), lease: '123456' }, 'with an unknown lease'),
  step(election.leader, { name: b('office') }, 'of an empty office'),
  step(election.campaign, { ...office, value: b('me') }),
  step(election.campaign, { ...office, value: b('I') }, 'with another value'),
  step(election.leader, { name: b('office') }),
  step(election.proclaim, { leader: { ...leader, rev: '1' }, value: b('x') }, 'of somebody else'),
  step(election.proclaim, { value: b('x') }, 'of nobody'),
  step(election.resign, { leader: { ...leader, rev: '1' } }, 'of somebody else'),
  step(election.resign, {}, 'of nobody'),
  step(election.leader, { name: b('office') }),
  step(lease.revoke, { ID: '77' }),
  step(election.leader, { name: b('office') }),
];

/** In this order: later ones read what earlier ones wrote. */
export const wireSteps: readonly WireStep[] = [
  ...puts,
  ...ranges,
  ...txns,
  ...deletions,
  ...leases,
  ...compactions,
  ...members,
  ...authentication,
  ...concurrency,
];
