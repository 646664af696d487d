/** Whether a message in a group is meant for the agent, or only context for later. */
import type { ConfigInput } from '../../config/schema.ts';
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
 * @param sessionMode the session's own setting; one that is no mode is ignored
 */
export function decideActivation(
  message: Message,
  config: Pick<ConfigInput, 'channels' | 'messages'>,
  sessionMode?: string,
): Activation {
  const groupChat = config.messages?.groupChat;
  const mentioned = message.mentioned === true || isMentioned(message.text, groupChat?.mentionPatterns ?? []);
  if (peerOf(message).kind === 'dm') return { mode: 'always', mentioned, respond: true };
  const account = accountConfig(config.channels, message.channel, message.accountId);
  const ofGroup = groupConfigs(account, groupIdsOf(message)).find(group => group.activation !== undefined);
  const mode = readMode(sessionMode) ?? ofGroup?.activation ?? groupChat?.activation ?? 'mention';
  return { mode, mentioned, respond: mode === 'always' || mentioned };
}

function readMode(value: string | undefined): ActivationMode | undefined {
  return value === 'mention' || value === 'always' ? value : undefined;
}

/**
 * Whether a text matches one of the patterns (regular expressions, case aside). Invisible characters are left out of
 * the text, since chat apps put them into mentions. A pattern that is no regular expression matches nothing here;
 * reporting it is the config check's business.
 */
export function isMentioned(text: string, patterns: readonly string[]): boolean {
  if (patterns.length === 0) return false;
  const visible = text.replace(/[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, '');
  return patterns.some(pattern => compile(pattern)?.test(visible) === true);
}

function compile(pattern: string): RegExp | null {
  try {
    return new RegExp(pattern, 'i');
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
