import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import type { Incoming } from '../../core/incoming.ts';
import { maySee, viewerOf } from '../../core/routing/visibility.ts';
import type { Desk } from '../../runner/desk.ts';
import { pendingWork } from '../../runner/leftovers.ts';
import { readJson } from '../../store/json-file.ts';
import { holderOf, tokenState } from '../../store/lock.ts';
import {
  type FailedMessage,
  listPendingAgents,
  listWaitingFiles,
  pendingOverview,
  readWaiting,
} from '../../store/pending.ts';
import { loadRecord } from '../../store/sessions.ts';
import { unansweredUsers } from '../../store/transcripts.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { age, table, terminalWidth } from '../format.ts';
import { printJson, printOut } from '../output.ts';

/** A message that waits for its turn, or whose agent failed. */
export interface InboxRow {
  /** waiting: for its session or, when the process that ran it ended, for the next tick */
  state: 'waiting' | 'failed' | 'interrupted' | 'dropped';
  messageId: string;
  agentId: string;
  sessionKey: string;
  text: string;
  since: string;
  ageMs: number;
  error: string | null;
}

export class InboxListCommand extends ClawCommand {
  static override paths = [['inbox', 'list']];
  static override usage = Command.Usage({
    description: 'Messages that wait for their session, and messages whose agent failed, with their text.',
    examples: [['What is left', 'claw inbox list']],
  });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const { rows, problems } = inboxRows(desk);
    if (this.json) printJson({ count: rows.length, messages: rows });
    else if (rows.length === 0) printOut('The inbox is empty.\n');
    else
      printOut(
        table(
          ['ID', 'TEXT', 'STATE', 'SESSION', 'AGE', 'WHY'],
          rows.map(row => [
            row.messageId,
            row.text,
            row.state,
            row.sessionKey,
            age(row.ageMs),
            row.error ?? '',
          ]),
          terminalWidth(),
          { whole: ['ID'], giving: ['WHY', 'SESSION'], text: ['TEXT'] },
        ),
      );
    for (const { file, reason } of problems) this.warn(`${file}: ${reason}; it is left in place`);
    return problems.length > 0 ? EXIT.data : EXIT.ok;
  }
}

/** What waits and what has failed, oldest first; for an agent only of sessions it may see. Reads only. */
export function inboxRows(desk: Desk): { rows: InboxRow[]; problems: { file: string; reason: string }[] } {
  const now = desk.context.now();
  const rows: InboxRow[] = [];
  const problems: { file: string; reason: string }[] = [];
  for (const agentId of listPendingAgents(desk.layout)) {
    for (const file of [
      ...listWaitingFiles(desk.layout, agentId),
      ...pendingOverview(desk.layout, agentId).failed,
    ]) {
      const read = file.endsWith('.failed') ? readJson(file) : readWaiting(file);
      if (read.state === 'unreadable') problems.push({ file, reason: read.reason });
      if (read.state !== 'ok') continue;
      // A command that was answered while a turn runs only waits for its place in the transcript.
      if ((read.value as Incoming).answered) continue;
      rows.push(
        file.endsWith('.failed')
          ? failedRow(read.value as FailedMessage, now)
          : waitingRow(read.value as Incoming, now),
      );
    }
  }
  for (const { agentId, key, evidence } of pendingWork(desk).sessions) {
    if (evidence === 'turn') rows.push(...turnRows(desk, agentId, key, now));
  }
  const viewer = viewerOf(desk.context.env);
  const seen = rows.filter(row => maySee(viewer, { agentId: row.agentId, key: row.sessionKey }, desk.config));
  return { rows: seen.sort((a, b) => b.ageMs - a.ageMs), problems: viewer === null ? problems : [] };
}

/** Messages of a turn that was begun and not ended; of those that waited in a file, the file's row is enough. */
function turnRows(desk: Desk, agentId: string, key: string, now: number): InboxRow[] {
  const read = loadRecord(desk.layout, agentId, key);
  if (read.state !== 'ok') return [];
  const { sessionId, bytes } = read.record;
  const holder = holderOf(desk.layout.lock(agentId, key));
  // Under way: neither waiting nor failed.
  if (holder !== null && tokenState(desk.context, holder) === 'alive') return [];
  return unansweredUsers(desk.layout.transcript(agentId, sessionId), bytes)
    .filter(user => user.queuedAs === undefined)
    .map(user => ({
      state: 'waiting',
      messageId: user.id,
      agentId,
      sessionKey: key,
      text: user.message.content,
      ...since(user.timestamp, now),
      error: null,
    }));
}

function waitingRow(incoming: Incoming, now: number): InboxRow {
  const { messageId, agentId, key, message, acceptedAt } = incoming;
  return {
    state: 'waiting',
    messageId,
    agentId,
    sessionKey: key,
    text: message.text,
    ...since(acceptedAt, now),
    error: null,
  };
}

function failedRow(failed: FailedMessage, now: number): InboxRow {
  const { messageIds, agentId, key, text, failedAt, status, error } = failed;
  return {
    state: status,
    messageId: messageIds.at(-1) ?? '',
    agentId,
    sessionKey: key,
    text,
    ...since(failedAt, now),
    error: error.message,
  };
}

function since(time: number, now: number): { since: string; ageMs: number } {
  return { since: new Date(time).toISOString(), ageMs: Math.max(0, now - time) };
}
