/** The facts a turn is planned from, with everything filled in; a test says only what it is about. */

import type { Incoming } from '../../src/core/incoming.ts';
import type { Message } from '../../src/core/routing/message.ts';
import type { Zone } from '../../src/core/schedule/zone.ts';
import type { SessionRecord } from '../../src/core/session/session.ts';
import type { TurnFacts } from '../../src/core/turn.ts';

export const UTC: Zone = { name: 'UTC', isHost: false };
export const KEY = 'agent:main:main';
export const OLD = 'old-session';
export const NEW = 'new-session';
export const RUN = '00000000-0000-4000-8000-000000000001';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const NOON = Date.UTC(2026, 2, 10, 12);

/** A private message from anna at noon. */
export function message(part: Partial<Message> = {}): Message {
  return { channel: 'telegram', accountId: 'default', chatType: 'dm', from: 'anna', text: 'hello', ...part };
}

/** A message of anna, accepted at noon, to be answered on stdout. `text` stands for the whole message. */
export function incoming(part: Partial<Incoming> & { text?: string } = {}): Incoming {
  const { text, ...rest } = part;
  return {
    agentId: 'main',
    key: KEY,
    messageId: 'm1',
    message: message(text === undefined ? {} : { text }),
    acceptedAt: NOON,
    via: 'stdout',
    respond: true,
    owner: false,
    fromAgent: false,
    ...rest,
  };
}

/** A session that began at nine and was last used an hour before noon. */
export function record(part: Partial<SessionRecord> = {}): SessionRecord {
  return {
    version: 1,
    key: KEY,
    agentId: 'main',
    sessionId: OLD,
    createdAt: NOON - 30 * DAY,
    startedAt: NOON - 3 * HOUR,
    lastUserAt: NOON - HOUR,
    updatedAt: NOON - HOUR,
    bytes: 1000,
    chatType: 'dm',
    channel: 'telegram',
    messageCount: 6,
    ...part,
  };
}

/** One message to a session that is running. */
export function facts(part: Partial<TurnFacts> = {}): TurnFacts {
  return {
    config: {},
    batch: [incoming()],
    record: record(),
    transcript: 'present',
    stored: null,
    answer: null,
    leftOut: [],
    newSessionId: NEW,
    runId: RUN,
    now: NOON,
    zone: UTC,
    ...part,
  };
}
