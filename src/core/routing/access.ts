/** Who may talk to an agent, and who owns it: verdicts that say why. */
import type { ConfigInput } from '../../config/schema.ts';
import { type AccountConfig, accountConfig, groupConfigs } from './channel.ts';
import { isChannelId, isListed } from './identity.ts';
import { groupIdsOf, isLocalUser, type Message, peerOf } from './message.ts';

type Allowed = 'local-user' | 'owner' | 'open' | 'allowlist' | 'paired';
type Denied =
  /** a stranger who may ask to be let in */
  | 'pairing'
  /** not in `allowFrom` */
  | 'not-listed'
  /** a list or pairing decides, and the message names no sender */
  | 'no-sender'
  /** the channel takes no private messages, or no group messages */
  | 'disabled'
  | 'group-disabled'
  | 'group-not-listed';

export type Access = { allowed: true; reason: Allowed } | { allowed: false; reason: Denied };

type AccessConfig = Pick<ConfigInput, 'channels' | 'owners'>;

/**
 * Whether a message may reach its agent. Private messages obey `dmPolicy` (unset: `allowlist` where `allowFrom` is
 * set, else `open`), all others `groupPolicy` and `groups`; what an account sets replaces what its channel sets. An
 * owner needs no listing, but a channel or group that is off is off for owners too. The local user is always allowed.
 *
 * @param paired ids approved by pairing for this channel and account, plain or with the channel in front
 */
export function decideAccess(message: Message, config: AccessConfig, paired: readonly string[] = []): Access {
  if (isLocalUser(message)) return { allowed: true, reason: 'local-user' };
  const channel = accountConfig(config.channels, message.channel, message.accountId);
  const listed = (list: readonly string[]) =>
    list.some(entry => isListed(entry, message.channel, message.from));
  const owner = isListedOwner(message, config);
  return peerOf(message).kind === 'dm'
    ? decideDm(channel, { owner, listed, paired, named: message.from !== undefined })
    : decideGroup(channel, groupIdsOf(message), { owner, listed, named: message.from !== undefined });
}

interface Sender {
  owner: boolean;
  named: boolean;
  listed(list: readonly string[]): boolean;
}

function decideDm(channel: AccountConfig, sender: Sender & { paired: readonly string[] }): Access {
  const policy = channel.dmPolicy ?? (channel.allowFrom === undefined ? 'open' : 'allowlist');
  if (policy === 'disabled') return { allowed: false, reason: 'disabled' };
  if (policy === 'open') return { allowed: true, reason: 'open' };
  if (sender.owner) return { allowed: true, reason: 'owner' };
  if (sender.listed(channel.allowFrom ?? [])) return { allowed: true, reason: 'allowlist' };
  if (!sender.named) return { allowed: false, reason: 'no-sender' };
  if (policy === 'allowlist') return { allowed: false, reason: 'not-listed' };
  return sender.listed(sender.paired)
    ? { allowed: true, reason: 'paired' }
    : { allowed: false, reason: 'pairing' };
}

/**
 * Why a group is closed to everybody in it; null where it is not.
 *
 * @param ids those that its settings may stand under, the most specific first
 */
export function closedGroup(
  channel: AccountConfig,
  ids: string[],
): Extract<Denied, 'disabled' | 'group-not-listed' | 'group-disabled'> | null {
  const policy = channel.groupPolicy ?? 'open';
  if (policy === 'disabled') return 'disabled';
  const groups = groupConfigs(channel, ids);
  if (policy === 'allowlist' && groups.length === 0) return 'group-not-listed';
  const isOff = groups.find(group => group.enabled !== undefined)?.enabled === false;
  return isOff ? 'group-disabled' : null;
}

function decideGroup(channel: AccountConfig, ids: string[], sender: Sender): Access {
  const closed = closedGroup(channel, ids);
  if (closed !== null) return { allowed: false, reason: closed };
  const groups = groupConfigs(channel, ids);
  const allowFrom = groups.find(group => group.allowFrom !== undefined)?.allowFrom;
  if (allowFrom === undefined)
    return { allowed: true, reason: channel.groupPolicy === 'allowlist' ? 'allowlist' : 'open' };
  if (sender.owner) return { allowed: true, reason: 'owner' };
  if (sender.listed(allowFrom)) return { allowed: true, reason: 'allowlist' };
  return { allowed: false, reason: sender.named ? 'not-listed' : 'no-sender' };
}

/**
 * Whether the sender has owner rights: the local user on channel `cli`, and the `channel:id`s in `owners`. Nobody
 * else, and nothing in the message can raise it.
 */
export function isOwner(message: Message, config: Pick<ConfigInput, 'owners'>): boolean {
  return isLocalUser(message) || isListedOwner(message, config);
}

function isListedOwner(message: Message, config: Pick<ConfigInput, 'owners'>): boolean {
  const { channel, from } = message;
  return from !== undefined && (config.owners ?? []).some(entry => isChannelId(entry, channel, from));
}
