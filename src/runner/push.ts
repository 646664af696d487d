/**
 * Sending to somebody who did not just write: replies of jobs and heartbeats, alerts, `message send`. Whether it may go
 * there is decided when it is queued and again when it is sent; what may not is kept, with the reason, for a person.
 */
import type { OutboxItem } from '../core/delivery/delivery.ts';
import { decideRecipient, isSameTarget, type Reach, type Target } from '../core/delivery/recipient.ts';
import { ClawError } from '../core/errors.ts';
import { mainSessionKey } from '../core/routing/session-key.ts';
import { isInternalChannel } from '../core/routing/slug.ts';
import { maySee, type Viewer } from '../core/routing/visibility.ts';
import { type Origin, reduceRecord } from '../core/session/session.ts';
import { readTail } from '../store/jsonl-file.ts';
import { putOutbox, readOutbox } from '../store/outbox.ts';
import { pairedIds } from '../store/pairings.ts';
import { loadRecord } from '../store/sessions.ts';
import { transcriptState } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';
import { sendVerdict, settingsOf } from './judge.ts';

/** What is to be sent, and where. */
export interface Push {
  /** idempotency key: the same id is queued once, whoever asks how often */
  id: string;
  agentId: string;
  /** the session it comes from */
  sessionKey: string;
  sessionId: string;
  /** channel, account, chat type and recipient (`to`, `groupId` or `from`), normalised as in a message */
  origin: Origin;
  text: string;
  messageId?: string;
  /** the run whose agent asked for it itself */
  sentBy?: string;
}

/**
 * queued: in the outbox, to be sent by `deliver`. dead: in the outbox, and not sent before a person says so, since the
 * recipient is not in the lists. denied: nothing was queued, `rule` holds such messages back.
 */
export type Pushed = { decision: 'queued' | 'dead'; item: OutboxItem } | { decision: 'denied'; rule: string };

/**
 * Queues something for somebody who did not just write. Durable when it returns; nothing is sent yet.
 *
 * @throws ClawError data `state-unreadable` where the settings of the session cannot be read; errors of the file system
 */
export function putProactive(desk: Desk, push: Push): Pushed {
  const { context, layout } = desk;
  const { agentId, sessionKey, sessionId, origin } = push;
  const before = readOutbox(layout, push.id);
  if (before.state === 'ok')
    return { decision: before.value.state === 'dead' ? 'dead' : 'queued', item: before.value };
  const read = loadRecord(layout, agentId, sessionKey);
  const own = settingsOf(desk, read.state === 'ok' ? read.record : null);
  const verdict = sendVerdict(desk, sessionKey, origin, own);
  if (verdict.decision === 'deny') return { decision: 'denied', rule: verdict.rule };
  const item: OutboxItem = {
    id: push.id,
    agentId,
    sessionKey,
    sessionId,
    messageId: push.messageId ?? '',
    origin,
    text: push.text,
    state: 'waiting',
    reason: 'not sent yet',
    callerGone: false,
    proactive: true,
    ...(push.sentBy === undefined ? {} : { sentBy: push.sentBy }),
    createdAt: context.now(),
    attempts: [],
  };
  const why = whyNotThere(desk, item);
  const queued: OutboxItem = why === null ? item : { ...item, state: 'dead', reason: why };
  putOutbox(context, layout, queued);
  return { decision: why === null ? 'queued' : 'dead', item: queued };
}

/** Why an item may not go where it is addressed, in words; null where it may. */
export function whyNotThere(
  desk: Desk,
  { agentId, sessionKey, origin }: Pick<OutboxItem, 'agentId' | 'sessionKey' | 'origin'>,
): string | null {
  const reach = reachOf(desk, { agentId, key: sessionKey }, origin);
  return reach.allowed ? null : reach.why;
}

function reachOf(desk: Desk, session: { agentId: string; key: string }, target: Target): Reach {
  const { channel, accountId } = target;
  const id = target.from ?? target.to;
  const main = mainSessionKey(session.agentId, desk.config.session);
  return decideRecipient(desk.config, target, {
    paired: id === undefined ? [] : pairedIds(desk.layout, channel, accountId, id),
    hasRoute: [session.key, main].some(key => routeOfKey(desk, session.agentId, key)?.channel === channel),
  });
}

/**
 * Where the last message of a person to an agent's main session came from, as a target for `last`; null where nobody has
 * written yet, or only from inside.
 */
export function lastRouteOf(desk: Desk, agentId: string): Origin | null {
  return routeOfKey(desk, agentId, mainSessionKey(agentId, desk.config.session));
}

/** The same of any session. The transcript counts: the record does not know the message yet whose turn is running. */
export function routeOfKey({ layout }: Desk, agentId: string, key: string): Origin | null {
  const read = loadRecord(layout, agentId, key);
  if (read.state !== 'ok') return null;
  const { record } = read;
  const file = layout.transcript(agentId, record.sessionId);
  const lines = transcriptState(layout, record) === 'present' ? readTail(file, record.bytes).lines : [];
  const { lastRoute } = lines.reduce((next, line) => reduceRecord(next, line.value, line.end), record);
  return lastRoute === undefined || isInternalChannel(lastRoute.channel) ? null : lastRoute;
}

/**
 * Where an agent may send from inside its run: to who is in the lists by name, and back to where its own conversation (from
 * a job: that of the main session) takes place. That a channel takes messages from anybody does not mean that an agent may
 * write to anybody: what it was told to send may be somebody's trick.
 *
 * @throws ClawError noPermission
 */
export function checkAgentsTarget(desk: Desk, viewer: Viewer, origin: Origin): void {
  const { agentId, key } = viewer;
  const reach = reachOf(desk, { agentId, key }, origin);
  if (reach.allowed && reach.reason === 'listed') return;
  const main = mainSessionKey(agentId, desk.config.session);
  const own = maySee(viewer, { agentId, key: main }, desk.config) ? [key, main] : [key];
  const isOwn = own.some(each => {
    const route = routeOfKey(desk, agentId, each);
    return route !== null && isSameTarget(chatOf(route), chatOf(origin));
  });
  if (reach.allowed && isOwn) return;
  const why = reach.allowed
    ? `${origin.channel}:${chatOf(origin).to ?? ''} is neither listed by name nor whom this session talks to`
    : reach.why;
  throw new ClawError(
    'noPermission',
    'recipient-not-permitted',
    `an agent may not send there: ${why}`,
    `ask the user to put the recipient into channels.${origin.channel}.allowFrom`,
  );
}

function chatOf({ channel, accountId, threadId, to, groupId, from }: Origin): Target & { to: string } {
  const place = { channel, accountId, chatType: 'dm' as const, to: to ?? groupId ?? from ?? '' };
  return threadId === undefined ? place : { ...place, threadId };
}
