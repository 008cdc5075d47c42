import type { Context } from '#base/context';
import type { EtcdClient } from '../client.ts';
import type { EtcdMaintenance } from '../maintenance.ts';
import { currentRevision, header, tableCodec, unary, type Identity, type Served } from './call.ts';
import { refuse } from './errors.ts';
import type { MemberAddMessage, MemberMessage, MemberUpdateMessage } from './messages.ts';
import { methods } from './methods.ts';

export interface ClusterServiceOptions {
  readonly etcd: EtcdClient;
  readonly maintenance: EtcdMaintenance;
  readonly identity: Identity;
}

/** etcd's Cluster service, of a cluster that always has one member. */
export class ClusterService {
  readonly #options: ClusterServiceOptions;

  constructor(options: ClusterServiceOptions) {
    this.#options = options;
  }

  served(): Served[] {
    const { list, add, remove, update, promote } = methods.cluster;
    return [
      unary(list, tableCodec(list), (context) => this.#list(context)),
      unary(add, tableCodec<MemberAddMessage>(add), (_context, message) => Promise.reject(refusedAdd(message))),
      unary(remove, tableCodec<MemberMessage>(remove), (_context, message) =>
        this.#refuse(message, notEnoughStarted()),
      ),
      unary(update, tableCodec<MemberUpdateMessage>(update), (_context, message) =>
        this.#refuse(message, badUrls(message.peerURLs) ?? notEnoughStarted()),
      ),
      unary(promote, tableCodec<MemberMessage>(promote), (_context, message) =>
        this.#refuse(message, refuse('FAILED_PRECONDITION', 'can only promote a learner member')),
      ),
    ];
  }

  async #list(context: Context): Promise<object> {
    const { etcd, maintenance, identity } = this.#options;
    const members = (await maintenance.members(context)).map((member) => ({
      ID: String(BigInt(`0x${member.id}`)),
      name: member.name,
      peerURLs: member.peerUrls,
      clientURLs: member.clientUrls,
    }));
    return { header: header(identity, await currentRevision(etcd, context)), members };
  }

  #refuse({ ID: id }: MemberMessage, refusal: Error): Promise<never> {
    const isKnown = id === this.#options.identity.memberId;
    return Promise.reject(isKnown ? refusal : refuse('NOT_FOUND', 'member not found'));
  }
}

/** What etcd says where a change of members would cost the quorum: here every change does. */
function notEnoughStarted(): Error {
  return refuse('FAILED_PRECONDITION', 're-configuration failed due to not enough started members');
}

function badUrls(urls: readonly string[]): Error | undefined {
  const isUrl = (text: string): boolean => /^(https?|unixs?):\/\/[^/]+:\d+$/.test(text);
  return urls.length > 0 && urls.every(isUrl) ? undefined : refuse('INVALID_ARGUMENT', 'given member URLs are invalid');
}

function refusedAdd(message: MemberAddMessage): Error {
  const invalid = badUrls(message.peerURLs);
  if (invalid) return invalid;
  return message.isLearner ? refuse('FAILED_PRECONDITION', 'too many learner members in cluster') : notEnoughStarted();
}
