/**
 * Commands that are answered while a turn of their session runs: `/status`, `/model opus`, `/stop` and all others but
 * resets. The answer is given at once; the line in the transcript follows from whoever holds the session.
 */

import { outboxItem } from '../core/delivery/delivery.ts';
import type { CommandAnswer, Incoming } from '../core/incoming.ts';
import type { Situation } from '../core/session/command.ts';
import type { ParsedText } from '../core/session/directive.ts';
import type { MessageOutcome } from '../core/session/transcript.ts';
import { commandEntry } from '../core/turn-entry.ts';
import { putOutbox } from '../store/outbox.ts';
import { claimReply, isWaiting, listWaiting, putWaiting, replaceWaiting } from '../store/pending.ts';
import { loadRecord } from '../store/sessions.ts';
import { changeSettings } from '../store/settings.ts';
import { answerCommand } from './answer.ts';
import type { Desk } from './desk.ts';
import { requestStop, runningTurn } from './stop.ts';
import { queueable } from './turn.ts';

/** How long `/stop` waits to say that the turn has ended, ms; an agent may take its time to die. */
const STOP_PATIENCE = 10_000;

/** What was answered, to be printed; `settle` follows when it was, or was not. */
export interface AsideAnswer {
  outcome: MessageOutcome & { state: 'command' };
  sessionId: string | null;
  settle(printed: boolean): void;
}

/**
 * What this command was answered when it came before, while its line in the transcript still has to be written; null
 * when it did not. Reads only.
 */
export function answeredBefore(desk: Desk, incoming: Incoming): AsideAnswer['outcome'] | null {
  if (!incoming.identity) return null;
  const wanted = JSON.stringify(incoming.identity);
  const { waiting } = listWaiting(desk.layout, incoming.agentId, incoming.key);
  const first = waiting.find(({ incoming: each }) => JSON.stringify(each.identity) === wanted)?.incoming;
  return first?.answered ? outcomeOf(first, first.answered) : null;
}

function outcomeOf(incoming: Incoming, answer: CommandAnswer): AsideAnswer['outcome'] {
  const told = { isNewSession: false, reset: null, notices: [] };
  return { state: 'command', command: commandEntry(incoming, answer, answer.runId ?? '', told) };
}

/** Answers a command of a busy session and queues its line. Durable before it returns. */
export async function answerAside(desk: Desk, incoming: Incoming, parsed: ParsedText): Promise<AsideAnswer> {
  const { context, layout } = desk;
  const { agentId, key } = incoming;
  const stopped = parsed.command?.name === 'stop' ? await stopRunning(desk, incoming) : null;
  const read = loadRecord(layout, agentId, key);
  const record = read.state === 'ok' ? read.record : null;
  const answer = await answerCommand(desk, incoming, { record, parsed, stopped });
  if (answer.change && record) {
    const options = { at: incoming.acceptedAt };
    await changeSettings(context, layout, { agentId, key }, record, answer.change, options);
  }
  const runId = context.newId();
  const queued = { ...queueable(desk, incoming, true), answered: { ...answer, runId } };
  const stem = putWaiting(context, layout, queued);
  const outcome = outcomeOf(incoming, queued.answered);
  const place = { agentId, key, sessionId: record?.sessionId ?? '' };
  return {
    outcome,
    sessionId: record?.sessionId ?? null,
    settle: printed => {
      const toSender = incoming.via === 'sender' || incoming.via === 'both';
      if (toSender || !printed) {
        const reason = toSender ? 'not sent yet' : 'nobody read it: the pipe was closed';
        const why = { reason, callerGone: !toSender, createdAt: context.now() };
        const item = outboxItem(place, outcome, why);
        if (item) putOutbox(context, layout, item);
      }
      // Handed back: who writes its line has nothing more to hand over.
      const { waiter: _waiter, ...rest } = queued;
      if (isWaiting(layout, agentId, key, stem))
        replaceWaiting(context, layout, { ...rest, via: 'none' }, stem);
      else claimReply(layout, agentId, key, stem);
    },
  };
}

/**
 * Ends the running turn, if its sender may: an owner, or who asked for that turn.
 *
 * @returns true when it ended, false when it was asked to and has not yet, `theirs` when it is not his to end; null when
 *   nothing runs
 */
async function stopRunning(desk: Desk, incoming: Incoming): Promise<Situation['stopped']> {
  const { agentId, key } = incoming;
  const running = runningTurn(desk, agentId, key);
  if (!running) return null;
  if (!mayStop(incoming, running.users)) return 'theirs';
  const { runId } = running.turn;
  if (!requestStop(desk, { agentId, key }, runId, { kind: 'stop', messageId: incoming.messageId }))
    return null;
  const giveUp = desk.context.now() + STOP_PATIENCE;
  while (desk.context.now() < giveUp) {
    if (runningTurn(desk, agentId, key)?.turn.runId !== runId) return true;
    await new Promise(resolve => setTimeout(resolve, 25));
  }
  return false;
}

/** An owner may end every turn; anybody else only one that answers nobody but himself. */
export function mayStop(
  incoming: Incoming,
  users: readonly { origin: { channel: string; from?: string | undefined } }[],
): boolean {
  const { channel, from } = incoming.message;
  const isHis = (user: (typeof users)[number]) =>
    user.origin.channel === channel && user.origin.from === from;
  return incoming.owner || (from !== undefined && users.length > 0 && users.every(isHis));
}
