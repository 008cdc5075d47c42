import type { Truth } from '#contract/labs';
import { renderTable } from './output.ts';

export interface EtcdMemberSummary {
  readonly name: string;
  readonly endpoint: string;
  readonly state: string;
  readonly leader: boolean;
  /** A sentence when the state does not say it: `no quorum: 1 of 3 members answers`. */
  readonly note?: string;
}

export function etcdMembersOf(truths: readonly Truth[]): EtcdMemberSummary[] {
  return truths.flatMap((truth) => {
    if (truth.kind !== 'component' || truth.component !== 'etcd') return [];
    const { id, endpoint = '', state, note } = truth;
    const leader = note === 'leader';
    return [{ name: id, endpoint, state, leader, ...(note === undefined || leader ? {} : { note }) }];
  });
}

export function renderEtcdMembers(members: readonly EtcdMemberSummary[]): string {
  return renderTable(
    ['MEMBER', 'ENDPOINT', 'STATE', 'NOTE'],
    members.map((one) => [one.name, one.endpoint, one.state, one.leader ? 'leader' : (one.note ?? '')]),
  );
}
