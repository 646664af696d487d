/** Which agent answers a message when nobody chose one: the bindings of the config, then the default agent. */
import type { BindingInput, ConfigInput } from '../../config/schema.ts';
import { defaultAccount } from './channel.ts';
import { type Message, peerOf } from './message.ts';
import { MAIN_AGENT, normaliseAgentId, normaliseChannel, slug } from './slug.ts';

/** The rules that a binding can win by, the most specific first. */
const TIERS = [
  'binding.peer',
  'binding.peer.parent',
  'binding.guild',
  'binding.team',
  'binding.account',
  'binding.channel',
] as const;

export type BindingTier = (typeof TIERS)[number];

/** The agents there are: those listed, or `main` alone. Never empty. */
export function agentIds(config: Pick<ConfigInput, 'agents'>): string[] {
  const ids = (config.agents?.list ?? []).map(agent => normaliseAgentId(agent.id));
  return ids.length > 0 ? ids : [MAIN_AGENT];
}

/** The agent that answers what no rule claims: the flagged one, else the first listed, else `main`. */
export function defaultAgentId(config: Pick<ConfigInput, 'agents'>): string {
  const list = config.agents?.list ?? [];
  const agent = list.find(entry => entry.default === true) ?? list[0];
  return normaliseAgentId(agent?.id ?? MAIN_AGENT);
}

/** The config entry of an agent (a normalised id); undefined where it is not listed. */
export function agentEntry(config: Pick<ConfigInput, 'agents'>, agentId: string) {
  return config.agents?.list?.find(agent => normaliseAgentId(agent.id) === agentId);
}

/**
 * The binding that wins a message, and by which rule; null where none matches. Every field that a binding sets must
 * match. The most specific rule wins, within one rule the first of the list; in `binding.channel` one for the default
 * account (no `accountId`) goes before one for any account (`"*"`). The agent need not be configured here.
 */
export function matchBinding(
  message: Message,
  config: Pick<ConfigInput, 'bindings' | 'channels'>,
): { agentId: string; matchedBy: BindingTier } | null {
  let best: { agentId: string; matchedBy: BindingTier; rank: number } | null = null;
  const usual = defaultAccount(config.channels, message.channel);
  for (const binding of config.bindings ?? []) {
    const matchedBy = tierOf(binding.match, message, usual);
    if (matchedBy === null) continue;
    const anyAccount = matchedBy === 'binding.channel' && binding.match.accountId !== undefined;
    const rank = TIERS.indexOf(matchedBy) + (anyAccount ? 0.5 : 0);
    if (best === null || rank < best.rank) {
      best = { agentId: normaliseAgentId(binding.agentId), matchedBy, rank };
    }
  }
  return best === null ? null : { agentId: best.agentId, matchedBy: best.matchedBy };
}

/** The rule by which a binding matches, null where one of its fields does not. */
function tierOf(match: BindingInput['match'], message: Message, usualAccount: string): BindingTier | null {
  if (normaliseChannel(match.channel) !== message.channel) return null;
  const account = match.accountId?.trim();
  if (account !== '*' && slug(account ?? usualAccount) !== message.accountId) return null;
  if (match.guildId !== undefined && match.guildId !== message.guildId) return null;
  if (match.teamId !== undefined && match.teamId !== message.teamId) return null;
  if (match.peer !== undefined) return peerTier(match.peer, message);
  if (match.guildId !== undefined) return 'binding.guild';
  if (match.teamId !== undefined) return 'binding.team';
  return account === undefined || account === '*' ? 'binding.channel' : 'binding.account';
}

type BindingPeer = NonNullable<BindingInput['match']['peer']>;

/**
 * A message of chatType `thread` has the thread for its peer and the chat around it for the parent; a topic of a
 * group, or a thread said to be in a group or channel, has that chat for its peer.
 */
function peerTier(peer: BindingPeer, message: Message): BindingTier | null {
  const kind = peerKind(peer.kind);
  const own = peerOf(message);
  const isRoom = kind === 'group' || kind === 'channel';
  if (kind === 'thread' && message.threadId === peer.id) return 'binding.peer';
  if (message.chatType !== 'thread' || own.kind === 'dm') {
    if (kind === own.kind && own.id === peer.id) return 'binding.peer';
  } else if (isRoom && own.id === peer.id) return 'binding.peer.parent';
  return isRoom && message.parentId === peer.id ? 'binding.peer.parent' : null;
}

function peerKind(raw: string): string {
  const kind = raw.trim().toLowerCase();
  return kind === 'direct' ? 'dm' : kind === 'room' ? 'channel' : kind;
}
