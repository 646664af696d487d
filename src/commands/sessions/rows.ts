/** Session records as the rows that `sessions` prints. */
import { contextWindow } from '../../core/context/history.ts';
import { kindOfKey } from '../../core/routing/session-key.ts';
import type { SessionRecord } from '../../core/session/session.ts';
import type { Desk } from '../../runner/desk.ts';
import { listAgents, listRecords, type RecordProblem } from '../../store/sessions.ts';

/** One row of contract §10. Times are epoch ms. */
export interface SessionRow {
  key: string;
  kind: string;
  agentId: string;
  channel: string;
  chatType: string;
  updatedAt: number;
  ageMs: number;
  lastActiveAt: string;
  sessionAge: number;
  sessionId: string;
  previousSessionId: string | null;
  messageCount: number;
  model: string | null;
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  contextTokens: number;
  percentUsed: number;
  tokensEstimated: boolean;
}

export interface RowFilter {
  agentId?: string;
  /** only sessions updated within this many minutes */
  activeMinutes?: number;
  channel?: string;
  kind?: string;
}

/** All rows that pass, newest first, and the records that could not be read. Opens no transcript. */
export function sessionRows(
  desk: Desk,
  filter: RowFilter,
  now: number,
): { rows: SessionRow[]; problems: RecordProblem[]; total: number } {
  const agents = filter.agentId ? [filter.agentId] : listAgents(desk.layout);
  const rows: SessionRow[] = [];
  const problems: RecordProblem[] = [];
  let total = 0;
  for (const agentId of agents) {
    const listed = listRecords(desk.layout, agentId);
    problems.push(...listed.problems);
    total += listed.records.length;
    for (const record of listed.records) {
      if (filter.activeMinutes !== undefined && now - record.updatedAt > filter.activeMinutes * 60_000)
        continue;
      if (filter.channel !== undefined && record.channel !== filter.channel) continue;
      const row = rowOf(desk, record, now);
      if (filter.kind === undefined || row.kind === filter.kind || row.chatType === filter.kind)
        rows.push(row);
    }
  }
  return {
    rows: rows.sort((a, b) => b.updatedAt - a.updatedAt || (a.key < b.key ? -1 : 1)),
    problems,
    total,
  };
}

/** One record as a row. */
export function rowOf(desk: Desk, record: SessionRecord, now: number): SessionRow {
  const window = contextWindow(desk.config, record.agentId);
  const used = record.tokens?.contextTokens ?? 0;
  return {
    key: record.key,
    kind: kindOfKey(record.key, desk.config.session),
    agentId: record.agentId,
    channel: record.channel,
    chatType: record.chatType,
    updatedAt: record.updatedAt,
    ageMs: Math.max(0, now - record.updatedAt),
    lastActiveAt: new Date(record.updatedAt).toISOString(),
    sessionAge: Math.max(0, now - record.startedAt),
    sessionId: record.sessionId,
    previousSessionId: record.previousSessionId ?? null,
    messageCount: record.messageCount,
    model: record.model ?? null,
    inputTokens: record.tokens?.inputTokens ?? 0,
    outputTokens: record.tokens?.outputTokens ?? 0,
    totalTokens: record.tokens?.totalTokens ?? 0,
    contextTokens: window,
    percentUsed: Math.round((used / window) * 100),
    tokensEstimated: record.tokens?.estimated ?? false,
  };
}
