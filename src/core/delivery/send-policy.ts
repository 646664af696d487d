/** Whether anything may be sent for a session. It stops the sending, never the thinking. */
import type { ConfigInput } from '../../config/schema.ts';
import { type KeyChat, type KeyScope, parseKey, splitKey } from '../routing/session-key.ts';
import { MAIN_AGENT, normaliseChannel } from '../routing/slug.ts';

export type SendAction = 'allow' | 'deny';

export interface SendDecision {
  decision: SendAction;
  /** what decided, for people: `/send off`, `session.sendPolicy.rules[2]`, `session.sendPolicy.default`, `default` */
  rule: string;
}

/** What is known of the session that something is sent for. What is absent is read from the key. */
export interface SendFacts {
  config: { session?: (KeyScope & Pick<NonNullable<ConfigInput['session']>, 'sendPolicy'>) | undefined };
  /** `/send on` is allow, `/send off` deny; anything else, as older stores have it, decides nothing */
  sessionSetting?: string | undefined;
  /** session key; one without its agent is understood */
  key?: string | undefined;
  /** channel and chat of what is sent, where they are known */
  channel?: string | undefined;
  chatType?: string | undefined;
  /** the session's own channel and chat, and the route of its last message, asked in this order */
  origin?: SendPlace | undefined;
  lastRoute?: SendPlace | undefined;
}

export interface SendPlace {
  channel?: string | undefined;
  chatType?: string | undefined;
}

/**
 * The session's own setting decides first, then any rule that denies, then one that allows, then the default. A rule
 * matches when all that it names does. A thread counts as a thread and as the chat it hangs from: who blocks groups
 * means their threads too.
 */
export function decideSending(facts: SendFacts): SendDecision {
  const { sessionSetting, config } = facts;
  if (sessionSetting === 'allow') return { decision: 'allow', rule: '/send on' };
  if (sessionSetting === 'deny') return { decision: 'deny', rule: '/send off' };
  const policy = config.session?.sendPolicy;
  if (policy === undefined) return { decision: 'allow', rule: 'default' };

  const subject = subjectOf(facts);
  const matching = (policy.rules ?? [])
    .map(({ action, match }, index) => ({ action, match: match ?? {}, index }))
    .filter(({ match }) => matches(match, subject));
  const rule = matching.find(({ action }) => action === 'deny') ?? matching[0];
  if (rule !== undefined) return { decision: rule.action, rule: `session.sendPolicy.rules[${rule.index}]` };
  if (policy.default === undefined) return { decision: 'allow', rule: 'default' };
  return { decision: policy.default, rule: 'session.sendPolicy.default' };
}

type Match = NonNullable<
  NonNullable<NonNullable<NonNullable<ConfigInput['session']>['sendPolicy']>['rules']>[number]['match']
>;

interface Subject {
  channel: string | undefined;
  chatTypes: readonly string[];
  /** the key as it is, and without its agent, lower case */
  keys: readonly string[];
}

function matches(match: Match, subject: Subject): boolean {
  if (match.channel !== undefined && normaliseChannel(match.channel) !== subject.channel) return false;
  if (match.chatType !== undefined && !subject.chatTypes.includes(chatTypeOf(match.chatType))) return false;
  const prefix = match.keyPrefix?.trim().toLowerCase();
  return prefix === undefined || subject.keys.some(key => key.startsWith(prefix));
}

function subjectOf({ config, key = '', channel, chatType, origin, lastRoute }: SendFacts): Subject {
  const typed = key.trim();
  const split = splitKey(typed);
  const parts =
    typed === '' ? null : parseKey(split === null ? `agent:${MAIN_AGENT}:${typed}` : typed, config.session);
  const ofKey: SendPlace = parts === null ? {} : placeOf(parts.chat);
  const places = [{ channel, chatType }, origin, lastRoute, ofKey];
  const known = (field: keyof SendPlace) =>
    places.map(place => place?.[field]?.trim()).find(value => value !== undefined && value !== '');
  const type = known('chatType');
  const inThread = parts !== null && parts.threads.length > 0;
  const chatTypes = [type === undefined ? undefined : chatTypeOf(type), inThread ? 'thread' : undefined];
  if (chatTypes.includes('thread')) chatTypes.push(ofKey.chatType);
  const named = known('channel');
  return {
    channel: named === undefined ? undefined : normaliseChannel(named),
    chatTypes: chatTypes.filter(value => value !== undefined),
    keys: split === null ? [typed.toLowerCase()] : [typed.toLowerCase(), split.rest.toLowerCase()],
  };
}

/** What a key says of its channel and chat. The main session is where private messages go unless told otherwise. */
function placeOf(chat: KeyChat): SendPlace {
  switch (chat.kind) {
    case 'main':
      return { chatType: 'dm' };
    case 'dm':
    case 'group':
    case 'channel':
      return { channel: chat.channel, chatType: chat.kind };
    default:
      return {};
  }
}

const ALIASES: Readonly<Record<string, string>> = { direct: 'dm', private: 'dm', room: 'channel' };

function chatTypeOf(value: string): string {
  const name = value.trim().toLowerCase();
  return Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
}
