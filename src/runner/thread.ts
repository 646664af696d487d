/**
 * What a thread hangs from. Many chat systems name a thread after the message it answers, so the first words of its
 * session would lack what they are about; the message and its answer are written into the new session as context.
 */
import { identityOf, type Message } from '../core/routing/message.ts';
import type { AssistantEntry, Entry, UserEntry } from '../core/session/transcript.ts';
import { findMessageId } from '../store/message-ids.ts';
import { messageOutcome } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';

/** Lines for a session that begins with a message in a thread; none where nothing is known of what the thread answers. */
export function threadRoot(desk: Desk, agentId: string, message: Message): Entry[] {
  const { threadId, parentId } = message;
  if (threadId === undefined) return [];
  const { threadId: _threadId, ...outside } = message;
  const chats = [outside, ...(parentId === undefined ? [] : [{ ...outside, groupId: parentId }])];
  for (const chat of chats) {
    const identity = identityOf({ ...chat, id: threadId });
    const hit = identity && findMessageId(desk.layout, identity, desk.context.now(), desk.idRetention);
    // Another agent's conversation is not this one's to tell.
    if (!hit || hit.agentId !== agentId) continue;
    const file = desk.layout.transcript(hit.agentId, hit.sessionId);
    const outcome = messageOutcome(file, hit.at, threadId);
    if (outcome?.state !== 'ended' && outcome?.state !== 'recorded') continue;
    const reply = outcome.state === 'ended' ? outcome.reply : null;
    return [asContext(outcome.user, hit.sessionId), ...(reply ? [fromThere(reply, hit.sessionId)] : [])];
  }
  return [];
}

function asContext(user: UserEntry, sessionId: string): Entry {
  const {
    identity: _identity,
    queuedAs: _queuedAs,
    settings: _settings,
    announceTo: _announceTo,
    ...said
  } = user;
  return { ...said, via: 'none', recorded: true, seededFrom: sessionId };
}

function fromThere(reply: AssistantEntry, sessionId: string): Entry {
  return { ...reply, seededFrom: sessionId };
}
