import { type CommandAnswer, defined, type Incoming, originOf } from './incoming.ts';
import type { SystemEvent } from './schedule/system-event.ts';
import type { SessionRecord } from './session/session.ts';
import type { CommandEntry, Entry, UserEntry } from './session/transcript.ts';

export function headerOf(record: SessionRecord): Entry {
  return {
    type: 'session',
    version: 1,
    id: record.sessionId,
    sessionKey: record.key,
    agentId: record.agentId,
    timestamp: record.startedAt,
    ...(record.previousSessionId ? { previousSessionId: record.previousSessionId } : {}),
    ...(record.untoldReset ? { reset: record.untoldReset } : {}),
  };
}

/** The line of a system event, in the transcript of the session that hears of it. */
export function eventEntry({ id, at, text, source, from, runId }: SystemEvent): Entry {
  return { type: 'system_event', timestamp: at, id, text, source, ...defined({ from, runId }) };
}

/** The line of a message that was answered without an agent. */
export function commandEntry(
  incoming: Incoming,
  { reply, change }: CommandAnswer,
  runId: string,
  told: Pick<CommandEntry, 'isNewSession' | 'reset' | 'notices'>,
): CommandEntry {
  const { message, messageId, acceptedAt, identity, queuedAs, via } = incoming;
  return {
    type: 'command',
    timestamp: acceptedAt,
    runId,
    id: messageId,
    ...defined({ identity, queuedAs }),
    text: message.text,
    origin: originOf(message),
    via,
    reply,
    ...(change ? { settings: change } : {}),
    ...told,
  };
}

export function userEntry(incoming: Incoming): UserEntry {
  return {
    type: 'message',
    timestamp: incoming.acceptedAt,
    id: incoming.messageId,
    ...defined({ identity: incoming.identity, queuedAs: incoming.queuedAs }),
    message: { role: 'user', content: incoming.message.text },
    origin: originOf(incoming.message),
    via: incoming.via,
    ...(incoming.message.attachments?.length ? { attachments: incoming.message.attachments } : {}),
    ...(incoming.respond && !incoming.dropped ? {} : { recorded: true as const }),
    ...defined({ dropped: incoming.dropped }),
    ...(incoming.hops ? { hops: incoming.hops } : {}),
    ...defined({ sentFrom: incoming.sentFrom, announceTo: incoming.announceTo, job: incoming.job }),
  };
}
