import type { Context } from '#base/context';
import type { EtcdClient } from '../client.ts';
import { currentRevision, header, tableCodec, unary, type Identity, type Served } from './call.ts';
import { refuse } from './errors.ts';
import type { UserMessage } from './messages.ts';
import { methods, type RpcMethod } from './methods.ts';

/**
 * etcd's Auth service, of a store that has no users: who may come in is a matter of client certificates. It answers what
 * etcd answers while authentication is off and there is no user and no role; making one is refused.
 */
export function authService(etcd: EtcdClient, identity: Identity): Served[] {
  const auth = methods.auth;
  const told = async (context: Context): Promise<object> => ({
    header: header(identity, await currentRevision(etcd, context)),
  });
  const answers = (method: RpcMethod, more: object = {}): Served =>
    unary(method, tableCodec(method), async (context) => ({ ...(await told(context)), ...more }));
  const refuses = (method: RpcMethod, text: string): Served =>
    unary(method, tableCodec(method), () => Promise.reject(refuse('FAILED_PRECONDITION', text)));
  const refusesNamed = (method: RpcMethod, nameless: string): Served =>
    unary(method, tableCodec<UserMessage>(method), (_context, { name }) =>
      Promise.reject(name === '' ? refuse('INVALID_ARGUMENT', nameless) : refuse('FAILED_PRECONDITION', notEnabled)),
    );
  return [
    answers(auth.status, { enabled: false, authRevision: 1 }),
    answers(auth.disable),
    answers(auth.userList),
    answers(auth.roleList),
    refuses(auth.enable, 'root user does not exist'),
    refuses(auth.authenticate, notEnabled),
    refusesNamed(auth.userAdd, 'user name is empty'),
    refusesNamed(auth.roleAdd, 'role name is empty'),
    refuses(auth.userGet, noUser),
    refuses(auth.userDelete, noUser),
    refuses(auth.userChangePassword, noUser),
    refuses(auth.userGrantRole, noUser),
    refuses(auth.userRevokeRole, noUser),
    refuses(auth.roleGet, noRole),
    refuses(auth.roleDelete, noRole),
    refuses(auth.roleGrantPermission, noRole),
    refuses(auth.roleRevokePermission, noRole),
  ];
}

const notEnabled = 'authentication is not enabled';
const noUser = 'user name not found';
const noRole = 'role name not found';
