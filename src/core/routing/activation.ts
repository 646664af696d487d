/** Whether a message in a group is meant for the agent, or only context for later. */
import type { ConfigInput } from '../../config/schema.ts';
import { agentEntry } from '../agent.ts';
import { accountConfig, groupConfigs } from './channel.ts';
import { groupIdsOf, type Message, peerOf } from './message.ts';

export type ActivationMode = 'mention' | 'always';

export interface Activation {
  mode: ActivationMode;
  /** the agent was called by name */
  mentioned: boolean;
  /** whether this message gets an answer; the others are recorded */
  respond: boolean;
}

/**
 * Private messages are always answered, in their threads too. Elsewhere the mode is what the session was given
 * (`/activation`), else that of the group, of `groups["*"]`, of `messages.groupChat`, else `mention`.
 *
 * @param agentId the agent the message goes to: its patterns and its name count
 * @param sessionMode the session's own setting; one that is no mode is ignored
 */
export function decideActivation(
  message: Message,
  config: Pick<ConfigInput, 'agents' | 'channels' | 'messages'>,
  agentId: string,
  sessionMode?: string,
): Activation {
  const mentioned = message.mentioned === true || isMentioned(message.text, mentionsOf(config, agentId));
  if (peerOf(message).kind === 'dm') return { mode: 'always', mentioned, respond: true };
  const account = accountConfig(config.channels, message.channel, message.accountId);
  const ofGroup = groupConfigs(account, groupIdsOf(message)).find(group => group.activation !== undefined);
  const ofAll = config.messages?.groupChat?.activation;
  const mode = readMode(sessionMode) ?? ofGroup?.activation ?? ofAll ?? 'mention';
  return { mode, mentioned, respond: mode === 'always' || mentioned };
}

function readMode(value: string | undefined): ActivationMode | undefined {
  return value === 'mention' || value === 'always' ? value : undefined;
}

/** What mentions an agent: regular expressions that somebody configured, or else its name and its emoji. */
export type Mentions =
  | { patterns: readonly string[] }
  | { name?: string | undefined; emoji?: string | undefined };

/**
 * The patterns of the agent, which replace those of all agents; where neither are configured, the agent's identity.
 * An empty list is configured: nothing in a text mentions that agent.
 */
export function mentionsOf(config: Pick<ConfigInput, 'agents' | 'messages'>, agentId: string): Mentions {
  const agent = agentEntry(config, agentId);
  const patterns = agent?.groupChat?.mentionPatterns ?? config.messages?.groupChat?.mentionPatterns;
  return patterns === undefined ? (agent?.identity ?? {}) : { patterns };
}

/**
 * How much of a text is matched with a configured pattern, in characters. A pattern may need time that grows with the
 * square of the text, and the text comes from strangers; a name is looked for in all of it.
 */
const LONGEST_LOOK = 4096;

/**
 * Whether a text mentions an agent. A pattern is a regular expression, case aside; one that is none matches nothing
 * here, reporting it is the config check's business. A name counts as a whole word, with any white space between its
 * parts and an `@` before it or not. Characters that nobody sees are left out on both sides, since chat apps put them
 * into mentions.
 */
export function isMentioned(text: string, mentions: Mentions): boolean {
  if ('patterns' in mentions) {
    const start = visible(text.slice(0, LONGEST_LOOK));
    return mentions.patterns.some(pattern => compile(visible(pattern))?.test(start) === true);
  }
  const emoji = visible(mentions.emoji ?? '').trim();
  const name = namePattern(visible(mentions.name ?? ''));
  if (emoji === '' && name === null) return false;
  const seen = visible(text);
  return (emoji !== '' && seen.includes(emoji)) || name?.test(seen) === true;
}

/** Zero-width and directional marks, soft hyphens, and the selectors that choose between text and picture of an emoji. */
const INVISIBLE = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]|\ufe0e|\ufe0f/g;

function visible(text: string): string {
  return text.replace(INVISIBLE, '').normalize('NFC');
}

function compile(pattern: string): RegExp | null {
  try {
    return new RegExp(pattern, 'i');
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Scripts that write no space between words: there a name may stand between other letters. */
function isUnspaced(letter: string): boolean {
  return /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u.test(
    letter,
  );
}

const WORD = '[\\p{L}\\p{M}\\p{N}_]';

function namePattern(name: string): RegExp | null {
  const words = name.split(/\s+/).filter(word => word !== '');
  const first = [...(words[0] ?? '')][0];
  const last = [...(words.at(-1) ?? '')].at(-1);
  if (first === undefined || last === undefined) return null;
  const source = words.map(word => word.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('\\s+');
  const before = isUnspaced(first) ? '' : `(?<!${WORD})`;
  const after = isUnspaced(last) ? '' : `(?!${WORD})`;
  return new RegExp(`${before}${source}${after}`, 'iu');
}
