/**
 * Sends what the outbox holds. A reply stands there before its sender is started, and is called sent only when the
 * sender exited 0; exit 75 means "later", anything else keeps the item for a person to look at.
 */
import type { ConfigInput, SenderConfig } from '../config/schema.ts';
import type { OutboxItem } from '../core/delivery/delivery.ts';
import type { Origin } from '../core/session/session.ts';
import { tryLock } from '../store/lock.ts';
import { listOutbox, markSent, updateOutbox } from '../store/outbox.ts';
import type { Desk } from './desk.ts';
import { stopOrphans } from './orphans.ts';

/** Waiting times after a temporary failure, ms; the last one repeats. */
const BACK_OFF = [5_000, 25_000, 120_000, 600_000, 3_600_000];

export interface DeliveryReport {
  sent: string[];
  waiting: { id: string; reason: string }[];
}

/** The sender of a channel: the account's own, else the channel's; null when it has none. */
export function senderOf(config: ConfigInput, origin: Origin): Exclude<SenderConfig, 'none'> | null {
  const channel = Object.entries(config.channels ?? {}).find(
    ([id]) => id.toLowerCase() === origin.channel,
  )?.[1];
  const send = channel?.accounts?.[origin.accountId]?.send ?? channel?.send;
  return send && send !== 'none' ? send : null;
}

/** When an item may be tried again, epoch ms. */
export function nextAttempt(item: OutboxItem): number {
  const last = item.attempts.at(-1);
  if (!last) return 0;
  return last.at + BACK_OFF[Math.min(item.attempts.length, BACK_OFF.length) - 1]!;
}

/**
 * Tries every item that is due. Each one is held by a lock of its own meanwhile, so that two ticks never send the same.
 *
 * @param only items to look at; absent: all
 */
export async function deliver(desk: Desk, only?: (item: OutboxItem) => boolean): Promise<DeliveryReport> {
  const report: DeliveryReport = { sent: [], waiting: [] };
  const { items, unreadable } = listOutbox(desk.layout);
  for (const { file, reason } of unreadable) desk.warn(`${file}: ${reason}; the reply is left in place`);
  for (const item of items) {
    if (only && !only(item)) continue;
    const sender = senderOf(desk.config, item.origin);
    if (!sender)
      report.waiting.push({
        id: item.id,
        reason: `channel ${item.origin.channel} has no sender (channels.${item.origin.channel}.send)`,
      });
    else if (item.state === 'dead') report.waiting.push({ id: item.id, reason: item.reason });
    else if (nextAttempt(item) > desk.context.now())
      report.waiting.push({ id: item.id, reason: `${item.reason}; tried again later` });
    else await attempt(desk, item, sender, report);
  }
  return report;
}

async function attempt(
  desk: Desk,
  item: OutboxItem,
  sender: Exclude<SenderConfig, 'none'>,
  report: DeliveryReport,
): Promise<void> {
  const { context, layout } = desk;
  const lock = tryLock(context, layout.outboxLock(item.id), item.sessionKey);
  if (!lock) return;
  try {
    // A dead owner's sender may still be at it.
    await stopOrphans(context, lock);
    // Another process may have sent it between the listing and the lock.
    if (!listOutbox(layout).items.some(current => current.id === item.id)) return;
    const { exec } = await import('./exec.ts');
    const outcome = await exec({
      command: sender.command,
      args: sender.args ?? [],
      env: senderEnvironment(desk, item, sender.env),
      cwd: layout.home,
      stdin: item.text,
      runId: item.id,
      leaseFolder: lock.folder,
      timeoutMs: (sender.timeoutSeconds ?? 60) * 1000,
      idleTimeoutMs: 0,
      killGraceMs: 2000,
      maxOutputBytes: 1024 * 1024,
      now: context.now,
    });
    if (outcome.exitCode === 0) {
      markSent(context, layout, { ...item, sentAt: context.now() });
      report.sent.push(item.id);
      return;
    }
    const error =
      outcome.spawnError?.message ??
      `sender ended with ${outcome.signal ?? `exit ${outcome.exitCode}`}${said(outcome.stderr)}`;
    const temporary = outcome.exitCode === 75 || outcome.timedOut;
    const attempts = [...item.attempts, { at: context.now(), error }];
    updateOutbox(context, layout, {
      ...item,
      attempts,
      state: temporary ? 'waiting' : 'dead',
      reason: error,
    });
    report.waiting.push({ id: item.id, reason: error });
  } finally {
    lock.release();
  }
}

function said(stderr: string): string {
  const text = stderr.trim().slice(-300);
  return text === '' ? '' : `: ${text}`;
}

/** What a sender may know: where to, from whom, and the idempotency key; the text comes on stdin. */
function senderEnvironment(
  desk: Desk,
  item: OutboxItem,
  extra: Record<string, string> | undefined,
): Record<string, string> {
  const { origin } = item;
  const passed = ['PATH', 'HOME', 'LANG', 'TZ', 'USER'].flatMap(name => {
    const value = desk.context.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passed),
    ...extra,
    CLAW_DELIVERY_ID: item.id,
    CLAW_RUN_ID: item.id,
    CLAW_AGENT_ID: item.agentId,
    CLAW_SESSION_KEY: item.sessionKey,
    CLAW_CHANNEL: origin.channel,
    CLAW_ACCOUNT: origin.accountId,
    CLAW_CHAT_TYPE: origin.chatType,
    CLAW_TO: origin.to ?? origin.groupId ?? origin.from ?? '',
    CLAW_THREAD: origin.threadId ?? '',
    CLAW_REPLY_TO: item.messageId,
  };
}
