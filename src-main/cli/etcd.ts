import type { Home } from '#cluster/home';
import { etcdMembersOf, renderEtcdMembers } from './etcd-members.ts';
import { withRunningHost } from './host-access.ts';
import type { Arguments } from './options.ts';
import type { Terminal } from './output.ts';
import { readTruths } from './reports.ts';

/** `drydock etcd list`, `kill` and `start`. Resolves with the exit code. */
export async function runEtcd(
  verb: string,
  home: Home,
  lab: string,
  args: Arguments,
  terminal: Terminal,
): Promise<number> {
  if (verb === 'list') {
    const members = etcdMembersOf(await withRunningHost(home, lab, (host) => readTruths(host, lab)));
    terminal.out(args.flag('json') ? JSON.stringify(members, null, 2) : renderEtcdMembers(members));
    return 0;
  }
  const member = args.positionals[0] ?? '';
  await withRunningHost(home, lab, (host) => host.call(verb === 'kill' ? 'etcd.kill' : 'etcd.start', { lab, member }));
  terminal.error(`etcd member ${member} ${verb === 'kill' ? 'killed' : 'started'}`);
  return 0;
}
