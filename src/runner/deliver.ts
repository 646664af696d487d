/**
 * Sends what the outbox holds. A reply stands there before its sender is started, and is called sent only when the sender
 * succeeded; a temporary failure is tried again after a while, any other keeps the item for a person to look at.
 */
import type { ConfigInput, Sender } from '../config/schema.ts';
import { afterFailure, nextAttempt, type OutboxItem } from '../core/delivery/delivery.ts';
import type { RunRecord } from '../core/schedule/run-record.ts';
import type { Origin } from '../core/session/session.ts';
import { type Lock, tryLock } from '../store/lock.ts';
import { dropOutbox, listOutbox, prepareSent, readOutbox, updateOutbox } from '../store/outbox.ts';
import type { Desk } from './desk.ts';
import { stopOrphans } from './orphans.ts';
import { whyNotThere } from './push.ts';

export interface DeliveryReport {
  sent: string[];
  waiting: { id: string; reason: string }[];
}

export interface DeliverOptions {
  /** items to look at; absent: all */
  only?: (item: OutboxItem) => boolean;
  /** also what is not due yet, and what had failed for good: a person asks for it */
  force?: boolean;
  /** aborted: senders at work are ended and their items wait, no other one is started */
  signal?: AbortSignal;
}

/** Senders that are at work at a time; the deliveries of one channel and account go one after the other. */
const AT_ONCE = 4;

/** The sender of a channel: the account's own, else the channel's; null when it has none. */
export function senderOf(config: ConfigInput, origin: Origin): Sender | null {
  const channel = Object.entries(config.channels ?? {}).find(
    ([id]) => id.toLowerCase() === origin.channel,
  )?.[1];
  const send = channel?.accounts?.[origin.accountId]?.send ?? channel?.send;
  return send && send !== 'none' ? send : null;
}

/**
 * Tries every item that is due. Each one is held by a lock of its own meanwhile, so that two ticks never send the same.
 * Where a sender cannot be reached, or asks for a rest, the other items of its channel are left for the next time.
 *
 */
export async function deliver(desk: Desk, options: DeliverOptions = {}): Promise<DeliveryReport> {
  const { only, force = false, signal } = options;
  const report: DeliveryReport = { sent: [], waiting: [] };
  const { items, unreadable } = listOutbox(desk.layout);
  for (const { file, reason } of unreadable) desk.warn(`${file}: ${reason}; the reply is left in place`);
  const lines = new Map<string, { sender: Sender; items: OutboxItem[] }>();
  for (const item of items) {
    if (only && !only(item)) continue;
    const sender = senderOf(desk.config, item.origin);
    const delay = sender === null ? noSender(item) : force ? null : delayOf(desk, item);
    if (sender === null || delay !== null) {
      report.waiting.push({ id: item.id, reason: delay ?? item.reason });
      continue;
    }
    const name = JSON.stringify([item.origin.channel, item.origin.accountId]);
    const line = lines.get(name);
    if (line) line.items.push(item);
    else lines.set(name, { sender, items: [item] });
  }
  const queue = [...lines.values()];
  const worker = async () => {
    for (let line = queue.shift(); line; line = queue.shift())
      await serve(desk, line, { force, ...(signal ? { signal } : {}) }, report);
  };
  const done = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, queue.length) }, worker));
  for (const each of done) if (each.status === 'rejected') throw each.reason;
  return report;
}

const TOLD_TO_END = 'claw was told to end';

/** What has become of something that a run had to say, by now. */
export interface Fate {
  /** `sent`, `waiting`, `dead`, else as the record of the run says it */
  status: string;
  reason?: string;
}

/** @param delivery of a run record */
export function fateOf(desk: Desk, { status, reason, id }: NonNullable<RunRecord['delivery']>): Fate {
  const read = status === 'queued' || status === 'dead' ? readOutbox(desk.layout, id ?? '') : null;
  if (read?.state !== 'ok') return { status, ...(reason === undefined ? {} : { reason }) };
  if (read.isSent) return { status: 'sent' };
  const item = read.value;
  const isHeld = senderOf(desk.config, item.origin) === null;
  return { status: item.state, reason: isHeld && item.state !== 'dead' ? noSender(item) : item.reason };
}

/** That something will not go out by itself is said where it happens: under a timer nobody looks at the outbox. */
function warnDead(desk: Desk, { id, origin }: OutboxItem, reason: string): void {
  const { channel, to, groupId, from } = origin;
  desk.warn(
    `delivery ${id} to ${channel}:${to ?? groupId ?? from ?? ''} is dead: ${reason}; its text is kept (claw delivery show ${id})`,
  );
}

function noSender({ origin }: OutboxItem): string {
  return `channel ${origin.channel} has no sender (channels.${origin.channel}.send)`;
}

/** When the next item may be tried, epoch ms; 0 where one cannot be read, null where none waits for its time. */
export function nextDelivery(desk: Desk): number | null {
  const { items, unreadable } = listOutbox(desk.layout);
  if (unreadable.length > 0) return 0;
  const times = items
    .filter(item => item.state !== 'dead' && senderOf(desk.config, item.origin) !== null)
    .map(nextAttempt);
  return times.length > 0 ? Math.min(...times) : null;
}

/** Why an item is not tried now; null when it is. */
function delayOf(desk: Desk, item: OutboxItem): string | null {
  if (item.state === 'dead') return item.reason;
  return nextAttempt(item) > desk.context.now() ? `${item.reason}; tried again later` : null;
}

async function serve(
  desk: Desk,
  { sender, items }: { sender: Sender; items: OutboxItem[] },
  { force = false, signal }: DeliverOptions,
  report: DeliveryReport,
): Promise<void> {
  let trouble: string | null = null;
  for (const { id, sessionKey } of items) {
    if (signal?.aborted) trouble ??= TOLD_TO_END;
    if (trouble !== null) {
      report.waiting.push({ id, reason: `left for later: ${trouble}` });
      continue;
    }
    const held = await holdItem(desk, id, sessionKey, async (item, lock) => {
      // Another process may have tried it between the listing and the lock.
      if (!force && delayOf(desk, item) !== null) return;
      const why = item.proactive ? whyNotThere(desk, item) : null;
      if (why !== null) {
        if (item.state !== 'dead' || item.reason !== why) {
          updateOutbox(desk.context, desk.layout, { ...item, state: 'dead', reason: why });
          if (!force) warnDead(desk, item, why);
        }
        report.waiting.push({ id, reason: why });
        return;
      }
      trouble = await attempt(desk, item, sender, { lock, signal }, report);
    });
    if (!held) report.waiting.push({ id, reason: 'another process is sending it' });
  }
}

/** @returns why the sender cannot be asked again now; null where it can */
async function attempt(
  desk: Desk,
  item: OutboxItem,
  sender: Sender,
  { lock, signal }: { lock: Lock; signal: AbortSignal | undefined },
  report: DeliveryReport,
): Promise<string | null> {
  const { context, layout } = desk;
  const { dispatch } = await import('./dispatch.ts');
  const { notBefore: _, ...rest } = item;
  const record = prepareSent(context, layout, { ...rest, sentAt: context.now() });
  let outcome: Awaited<ReturnType<typeof dispatch>>;
  try {
    outcome = await dispatch(desk, item, sender, {
      lock,
      keep: further => keep(desk, further),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    record.abandon();
    throw error;
  }
  const { verdict, item: reached, isUnreachable } = outcome;
  if (verdict.outcome === 'sent') {
    record.commit();
    report.sent.push(item.id);
    return null;
  }
  record.abandon();
  const failed = afterFailure(reached, verdict, context.now());
  // The one who took the lock over writes what happens to it now.
  if (lock.held()) updateOutbox(context, layout, failed);
  if (failed.state === 'dead' && item.state !== 'dead') warnDead(desk, item, failed.reason);
  report.waiting.push({ id: item.id, reason: failed.reason });
  return isUnreachable ? failed.reason : null;
}

/** How far a reply of several messages got. On a full disk the rest is sent all the same: its record has its room. */
function keep(desk: Desk, item: OutboxItem): void {
  try {
    updateOutbox(desk.context, desk.layout, item);
  } catch (error) {
    desk.warn(`how far delivery ${item.id} got could not be noted: ${(error as Error).message}`);
  }
}

/**
 * Does something with an item that is not sent yet, as it stands, holding its lock; a dead owner's sender is ended first.
 *
 * @returns false when somebody living holds it
 */
async function holdItem(
  desk: Desk,
  id: string,
  sessionKey: string,
  step: (item: OutboxItem, lock: Lock) => Promise<void> | void,
): Promise<boolean> {
  const { context, layout } = desk;
  const lock = tryLock(context, layout.outboxLock(id), sessionKey);
  if (!lock) return false;
  try {
    await stopOrphans(context, lock);
    const read = readOutbox(layout, id);
    if (read.state === 'ok' && !read.isSent) await step(read.value, lock);
  } finally {
    lock.release();
  }
  return true;
}

/**
 * Takes replies out of the outbox that a person does not want sent any more. What somebody sends right now is left.
 */
export async function dropDeliveries(
  desk: Desk,
  items: readonly OutboxItem[],
): Promise<{ dropped: OutboxItem[]; kept: string[] }> {
  const dropped: OutboxItem[] = [];
  const kept: string[] = [];
  for (const { id, sessionKey } of items) {
    const held = await holdItem(desk, id, sessionKey, item => {
      dropOutbox(desk.layout, id);
      dropped.push(item);
    });
    if (!held) kept.push(id);
  }
  return { dropped, kept };
}
