/**
 * Who may be sent something that he did not just ask for: replies of jobs and heartbeats, alerts, `message send`. The lists
 * that say who may write in say who may be written to; a message that goes astray cannot be taken back.
 */
import type { ConfigInput } from '../../config/schema.ts';
import { closedGroup } from '../routing/access.ts';
import { type AccountConfig, accountConfig, channelConfig } from '../routing/channel.ts';
import { isChannelId, isListed } from '../routing/identity.ts';
import { isInternalChannel, isInternalTarget } from '../routing/slug.ts';
import type { Origin } from '../session/session.ts';

/** A place to send to. */
export type Target = Pick<
  Origin,
  'channel' | 'accountId' | 'chatType' | 'from' | 'groupId' | 'parentId' | 'threadId' | 'to'
>;

/** What is known of a target beside the configuration. */
export interface RecipientFacts {
  /** ids approved by pairing for this channel and account, plain or with the channel in front */
  paired: readonly string[];
  /** somebody has written from there: to this session, or to the agent's main one */
  hasRoute: boolean;
}

/**
 * `reason` of what is allowed: `open` (the channel takes anybody), `listed` (an owner, in a list, or paired). `why`: in
 * words, with the key that decides.
 */
export type Reach = { allowed: true; reason: 'open' | 'listed' } | { allowed: false; why: string };

/**
 * Whether something may be sent to somebody who has not just written. A person must be an owner, in `allowFrom` or paired
 * where `dmPolicy` closes the channel; `disabled` takes no message in, but what is listed may be sent to. A group obeys
 * `groupPolicy` and `groups`. Names of claw's own lead to nobody.
 *
 * @param target `channel` and `accountId` normalised; `chatType` decides whether it is a group
 */
export function decideRecipient(
  config: Pick<ConfigInput, 'channels' | 'owners'>,
  target: Target,
  facts: RecipientFacts,
): Reach {
  const { channel, accountId, chatType, groupId, parentId } = target;
  const to = target.to ?? groupId ?? target.from ?? '';
  if (isInternalChannel(channel)) return refused(`${channel} is a name of claw's own, no channel to send to`);
  if (isInternalTarget(to)) return refused(`${JSON.stringify(to)} is a name of claw's own, no recipient`);
  if (channelConfig(config.channels, channel) === undefined && !facts.hasRoute)
    return refused(`channel ${channel} is not configured (channels.${channel}), and nobody wrote from there`);
  const settings = accountConfig(config.channels, channel, accountId);
  const inGroup = chatType !== 'dm' && (chatType !== 'thread' || (groupId ?? parentId) !== undefined);
  return inGroup
    ? decideGroup(settings, channel, [groupId ?? to, parentId])
    : decidePerson(settings, target, config.owners ?? [], to, facts.paired);
}

function refused(why: string): Reach {
  return { allowed: false, why };
}

function decidePerson(
  { dmPolicy, allowFrom }: AccountConfig,
  { channel, from }: Target,
  owners: readonly string[],
  to: string,
  paired: readonly string[],
): Reach {
  const policy = dmPolicy ?? (allowFrom === undefined ? 'open' : 'allowlist');
  // A chat and the person in it may have ids of their own; where both are known the lists name the person.
  const ids = from === undefined ? [to] : [from];
  if (ids.every(id => id === '')) return refused(`no recipient on channel ${channel} is named`);
  const isNamed =
    ids.some(id => owners.some(entry => isChannelId(entry, channel, id))) ||
    ids.some(id =>
      [...(allowFrom ?? []), ...paired].some(entry => isListed(entry, channel, id) && entry.trim() !== '*'),
    );
  if (isNamed) return { allowed: true, reason: 'listed' };
  const isOpen =
    policy === 'open' || (policy !== 'disabled' && allowFrom?.some(entry => entry.trim() === '*'));
  if (isOpen) return { allowed: true, reason: 'open' };
  const how = policy === 'pairing' ? 'is neither paired nor listed' : 'is not listed';
  return refused(`${channel}:${ids[0]} ${how} in channels.${channel}.allowFrom (dmPolicy ${policy})`);
}

function decideGroup(settings: AccountConfig, channel: string, named: (string | undefined)[]): Reach {
  const ids = named.filter(id => id !== undefined && id !== '') as string[];
  if (ids.length === 0) return refused(`no group on channel ${channel} is named`);
  const why = {
    disabled: `channel ${channel} takes part in no group (channels.${channel}.groupPolicy)`,
    'group-not-listed': `group ${ids[0]} is not listed in channels.${channel}.groups (groupPolicy allowlist)`,
    'group-disabled': `group ${ids[0]} is off (channels.${channel}.groups)`,
  };
  const closed = closedGroup(settings, ids);
  if (closed !== null) return refused(why[closed]);
  const isNamed = ids.some(id => Object.hasOwn(settings.groups ?? {}, id));
  return { allowed: true, reason: isNamed ? 'listed' : 'open' };
}

/** Do two targets mean the same chat? What one of them does not say of account and thread does not count. */
export function isSameTarget(
  one: Pick<Target, 'channel' | 'to'> & Partial<Target>,
  other: Pick<Target, 'channel' | 'to'> & Partial<Target>,
): boolean {
  const agrees = (a: string | undefined, b: string | undefined) =>
    a === undefined || b === undefined || a === b;
  return (
    one.channel === other.channel &&
    one.to === other.to &&
    agrees(one.accountId, other.accountId) &&
    agrees(one.threadId, other.threadId)
  );
}
