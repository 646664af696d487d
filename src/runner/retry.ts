/** `inbox retry` and `inbox drop`: messages whose agent failed, that were one too many, or that wait. */
import fs from 'node:fs';
import { DEFAULTS } from '../config/defaults.ts';
import { ClawError } from '../core/errors.ts';
import { asDuplicate, type IngestResult, resultOf } from '../core/result.ts';
import type { MessageOutcome } from '../core/session/transcript.ts';
import { readJson } from '../store/json-file.ts';
import { tokenState } from '../store/lock.ts';
import {
  type FailedMessage,
  listPendingAgents,
  listWaitingFiles,
  pendingOverview,
  readWaiting,
} from '../store/pending.ts';
import { type Desk, TurnInterrupted } from './desk.ts';
import { holdSession } from './hold.ts';
import { runningTurn } from './stop.ts';
import { workAgain } from './turn.ts';
import { outcomeOf, putUnread, whyLater } from './wait.ts';

/** A failed or dropped message with its file. */
export interface FoundFailure {
  file: string;
  failed: FailedMessage;
}

/** Failed and dropped messages that a message id, a run id, or `all` means. */
export function findFailures(desk: Desk, id: string): FoundFailure[] {
  return listPendingAgents(desk.layout)
    .flatMap(agentId => pendingOverview(desk.layout, agentId).failed)
    .flatMap(file => {
      const read = readJson(file);
      const failed = (read.state === 'ok' ? read.value : null) as Partial<FailedMessage> | null;
      if (!failed || !Array.isArray(failed.messageIds)) return [];
      const isMeant = id === 'all' || failed.runId === id || failed.messageIds.includes(id);
      return isMeant ? [{ file, failed: failed as FailedMessage }] : [];
    })
    .sort((a, b) => a.failed.failedAt - b.failed.failedAt);
}

export interface RetryOptions {
  signal?: AbortSignal;
  stopped?(): boolean;
  /**
   * Prints the result; false when nobody reads it. Who prints later calls `unread` first, which puts the reply into the
   * outbox and gives the item's id, to be settled when it was read.
   */
  print(result: IngestResult, unread: () => string | null): boolean;
}

/**
 * Tries one failed message again and hands its result to `print`: that of another process, where one was faster.
 *
 * @returns null where it is in the inbox no more, and nothing tells what became of it
 * @throws ClawError tempfail `session-busy`, data `state-unreadable`
 */
export async function retryFailure(
  desk: Desk,
  { failed, file }: FoundFailure,
  options: RetryOptions,
): Promise<IngestResult | null> {
  const { context } = desk;
  const { agentId, key } = failed;
  if (!Array.isArray(failed.users) || failed.users.length === 0) {
    throw new ClawError(
      'data',
      'not-retriable',
      `${file} does not hold its messages`,
      'send the text again, then: claw inbox drop',
    );
  }
  const begun = context.now();
  const messageId = failed.messageIds.at(-1)!;
  const describe = (outcome: MessageOutcome, sessionId: string) => {
    const blank = { isNewSession: false, reset: null, notices: [], reply: null, usage: null };
    const base = { ...blank, status: 'queued' as const, messageId, agentId, sessionKey: key, sessionId };
    return resultOf({ ...base, durationMs: context.now() - begun }, outcome);
  };
  let result: IngestResult | null = null;
  const patience = DEFAULTS.runner.timeoutSeconds * 1000;
  const retrying = holdSession(desk, { agentId, key }, patience, seat =>
    workAgain(desk, seat, failed, {
      onAnswered: async (outcome: MessageOutcome, sessionId) => {
        result = describe(outcome, sessionId);
        const unread = () => putUnread(desk, { agentId, key, sessionId }, outcome);
        if (!options.print(result, unread)) unread();
        return true;
      },
      onDuplicate: hit => {
        const outcome = outcomeOf(desk, hit, messageId);
        if (!outcome) return;
        result = asDuplicate(describe(outcome, hit.sessionId));
        options.print(result, () => null);
      },
      enough: () => result !== null,
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.stopped ? { stopped: options.stopped } : {}),
    }),
  );
  try {
    await retrying;
  } catch (error) {
    if (!(error instanceof TurnInterrupted)) throw error;
    // Told to end while its agent ran.
    result = { ...describe({ state: 'open' }, failed.sessionId), reason: whyLater(error) };
    options.print(result, () => null);
  }
  return result;
}

export interface Dropped {
  state: 'waiting' | FailedMessage['status'];
  sessionKey: string;
  messageId: string;
  text: string;
}

/**
 * Removes messages from the inbox; what they said is in the result, and of failed ones in their transcript. A message
 * whose sender still waits stays, and so does one that is being answered.
 *
 * @returns kept: with the reason
 */
export function dropMessages(
  desk: Desk,
  id: string,
): { dropped: Dropped[]; kept: { messageId: string; reason: string }[] } {
  const dropped: Dropped[] = [];
  const kept: { messageId: string; reason: string }[] = [];
  for (const { file, failed } of findFailures(desk, id)) {
    fs.rmSync(file, { force: true });
    const { status, key, messageIds, text } = failed;
    dropped.push({ state: status, sessionKey: key, messageId: messageIds.at(-1)!, text });
  }
  for (const agentId of listPendingAgents(desk.layout)) {
    for (const file of listWaitingFiles(desk.layout, agentId)) {
      const read = readWaiting(file);
      if (read.state !== 'ok' || (id !== 'all' && read.value.messageId !== id)) continue;
      const { waiter, key, messageId, message } = read.value;
      const running = runningTurn(desk, agentId, key)?.users.map(user => user.queuedAs) ?? [];
      if (waiter && tokenState(desk.context, waiter) === 'alive')
        kept.push({ messageId, reason: 'the process that brought it still waits for it' });
      else if (running.some(stem => stem !== undefined && file.endsWith(`.${stem}.json`)))
        kept.push({ messageId, reason: 'it is being answered' });
      else {
        fs.rmSync(file, { force: true });
        dropped.push({ state: 'waiting', sessionKey: key, messageId, text: message.text });
      }
    }
  }
  return { dropped, kept };
}
