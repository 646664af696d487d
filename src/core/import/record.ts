/** The session record of an imported session. */
import type { ChatType } from '../routing/message.ts';
import { type KeyScope, parseKey } from '../routing/session-key.ts';
import type { Origin, SessionRecord } from '../session/session.ts';
import { cleanSettings, type StoredSettings } from '../session/settings.ts';
import type { ImportedEntry } from './entry.ts';
import type { LineMapper } from './line.ts';

/** The channel of what came in on the machine itself, or of which nothing is known. */
const UNKNOWN_CHANNEL = 'cli';

/** Where the messages of a session came from, as far as its key and its old entry tell. */
export function originOf(key: string, entry: ImportedEntry, session: KeyScope): Origin {
  const parts = parseKey(key, session);
  const chat = parts?.chat;
  const group = chat?.kind === 'group' || chat?.kind === 'channel' ? chat : null;
  const dm = chat?.kind === 'dm' ? chat : null;
  const thread = parts?.threads.at(-1);
  const channel = group?.channel ?? dm?.channel ?? entry.route?.channel ?? entry.channel ?? UNKNOWN_CHANNEL;
  const route = entry.route?.channel === channel ? entry.route : undefined;
  const chatType: ChatType = thread ? 'thread' : (group?.kind ?? (dm ? 'dm' : (entry.chatType ?? 'dm')));
  const from = dm?.peer ?? (chatType === 'dm' ? withoutPrefix(route?.to) : undefined);
  const threadId = thread?.id ?? route?.threadId;
  return {
    channel,
    accountId: dm?.accountId ?? route?.accountId ?? 'default',
    chatType,
    ...(group ? { groupId: group.id } : {}),
    ...(group && entry.groupName ? { groupName: entry.groupName } : {}),
    ...(from === undefined || group ? {} : { from }),
    ...(threadId === undefined ? {} : { threadId }),
    ...(route?.to === undefined ? {} : { to: route.to }),
  };
}

/** Targets stood as `telegram:123` or `user:U1` in some of those stores. */
function withoutPrefix(to: string | undefined): string | undefined {
  return to?.replace(/^(?:[a-z]+:)+(?=[^:]+$)/i, '');
}

export interface RecordFacts {
  key: string;
  agentId: string;
  sessionId: string;
  /** epoch ms of the session's beginning */
  startedAt: number;
  origin: Origin;
  previousSessionId?: string | undefined;
}

/** The record of a mapped transcript; `bytes` is set when it is known where the transcript ends. */
export function recordOf(
  facts: RecordFacts,
  entry: ImportedEntry,
  mapper: LineMapper,
  messages: number,
): SessionRecord {
  const { key, agentId, sessionId, startedAt, origin, previousSessionId } = facts;
  const updatedAt = entry.updatedAt ?? mapper.lastTimestamp;
  const lastUserAt = mapper.lastUserAt ?? entry.updatedAt;
  const { tokens: sums } = mapper;
  const tokens = entry.tokens ?? (sums.totalTokens > 0 ? sums : undefined);
  const model = mapper.model ?? entry.model;
  return {
    version: 1,
    key,
    agentId,
    sessionId,
    createdAt: Math.min(entry.createdAt ?? startedAt, startedAt),
    startedAt,
    ...(lastUserAt === undefined ? {} : { lastUserAt }),
    updatedAt,
    bytes: 0,
    chatType: origin.chatType,
    channel: origin.channel,
    ...(entry.route || origin.groupId || origin.from ? { lastRoute: origin } : {}),
    ...(tokens ? { tokens } : {}),
    ...(model === undefined ? {} : { model }),
    messageCount: messages,
    ...(previousSessionId === undefined ? {} : { previousSessionId }),
  };
}

/** The settings of an imported session, as its settings file holds them; null where it had none. */
export function settingsFileOf(record: SessionRecord, entry: ImportedEntry): StoredSettings | null {
  const { key, createdAt, sessionId, startedAt } = record;
  const given = Object.entries(entry.settings).map(([name, value]) => [
    name,
    { value, at: startedAt, sessionId },
  ]);
  const settings = cleanSettings(Object.fromEntries(given));
  return Object.keys(settings).length > 0 ? { version: 1, key, createdAt, settings } : null;
}
