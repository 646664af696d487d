/** Session keys of older systems as keys of claw, and the keys that file names of the deep-wiki layout spell. */
import {
  canonicaliseKey,
  conversationKey,
  type KeyContext,
  mainSessionKey,
  splitKey,
} from '../routing/session-key.ts';

export interface OldKeyContext extends KeyContext {
  /** `mainKey` of the old system's own config, where it had one */
  oldMainKey?: string | undefined;
}

/** A phone number, as Clawdis keyed a chat with one person on WhatsApp. */
const PHONE = /^(?:whatsapp:)?(\+\d{5,})$/i;

/**
 * The key an old key means now; null when it cannot be a key. A bare phone number is a private chat on WhatsApp, so it
 * goes where such a chat goes under claw's `dmScope`: by default into the main session.
 */
export function mapKey(old: string, context: OldKeyContext): string | null {
  const split = splitKey(old.trimStart());
  const rest = (split?.rest ?? old).trim();
  const agentId = split?.agentId ?? context.agentId;
  const session = context.session ?? {};
  if (context.oldMainKey !== undefined && rest.toLowerCase() === context.oldMainKey.toLowerCase())
    return mainSessionKey(agentId, session);
  const phone = PHONE.exec(rest)?.[1];
  if (phone !== undefined) {
    const at = { kind: 'dm', channel: 'whatsapp', accountId: 'default', peerId: phone } as const;
    return conversationKey(agentId, at, session);
  }
  return canonicaliseKey(old, context);
}

/** The key of what has no key any more: a transcript that no entry of its store names. */
export function keylessKey(agentId: string, stem: string): string {
  return `agent:${agentId}:imported:${stem.replace(/[\u0000-\u001f\u007f]|\p{Surrogate}/gu, '_')}`;
}

/** File name (without `.jsonl`) that the deep-wiki layout gives to a key: its colons as underscores. */
export function stemOfKey(key: string): string {
  return key.replaceAll(':', '_').replace(/[\\/]/g, '_');
}

/**
 * The key behind such a name: `agent_main_telegram_group_-100` is `agent:main:telegram:group:-100`. Null for other
 * names. An underscore inside an id stays one; agent ids and channels are read up to the first.
 */
export function keyOfStem(stem: string): string | null {
  const chat = /^agent_([^_]+)_([^_]+)_(dm|direct|group|channel|thread)_(.+)$/s.exec(stem);
  if (chat !== null) return `agent:${chat[1]}:${chat[2]}:${chat[3]}:${chat[4]}`;
  const plain = /^agent_([^_]+)_([^_]+)$/.exec(stem);
  return plain === null ? null : `agent:${plain[1]}:${plain[2]}`;
}
