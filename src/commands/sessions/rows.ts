/** Session records as the rows that `sessions` prints. */
import { contextWindow } from '../../core/context/history.ts';
import { kindOfKey } from '../../core/routing/session-key.ts';
import type { SessionRecord } from '../../core/session/session.ts';
import type { Desk } from '../../runner/desk.ts';
import { eachRecord, listAgents, type RecordProblem } from '../../store/sessions.ts';
import { isoTime } from '../format.ts';

/** One row of contract §10. Times are epoch ms. */
export interface SessionRow {
  key: string;
  kind: string;
  agentId: string;
  channel: string;
  chatType: string;
  updatedAt: number;
  ageMs: number;
  lastActiveAt: string | null;
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
  /** name of the group, else of who wrote last */
  displayName: string | null;
}

export interface RowFilter {
  agentId?: string;
  /** only sessions updated within this many minutes */
  activeMinutes?: number;
  channel?: string;
  kind?: string;
  /** in key, session id, label or display name, in any case */
  search?: string;
}

/** Kinds that `--kind` takes: of the key, and for dm, group, channel and thread of the chat too. */
export const KINDS: readonly string[] = [
  'main',
  'dm',
  'group',
  'channel',
  'thread',
  'cron',
  'subagent',
  'global',
];

/**
 * A record is written whenever its `updatedAt` moves, so one whose file is older than the window has not been active in
 * it, and is not read at all. The margin is for a clock that was set back a little, or a file server with its own. A copy
 * of a store has its files newer, or as old, as they were: either way nothing is missed. (Only where the clock ran ahead
 * by more than the margin, and was set back, `--active` passes over what claims to be of the future.)
 */
const MTIME_MARGIN = 24 * 3_600_000;

/** All rows that pass, newest first, and the records that could not be read. Opens no transcript. */
export function sessionRows(
  desk: Desk,
  filter: RowFilter,
  now: number,
): { rows: SessionRow[]; problems: RecordProblem[]; total: number } {
  const agents = filter.agentId ? [filter.agentId] : listAgents(desk.layout);
  const rows: SessionRow[] = [];
  const problems: RecordProblem[] = [];
  const since = filter.activeMinutes === undefined ? undefined : now - filter.activeMinutes * 60_000;
  const modifiedSince = since === undefined ? undefined : since - MTIME_MARGIN;
  const needle = filter.search === undefined ? undefined : fold(filter.search);
  let total = 0;
  for (const agentId of agents) {
    for (const read of eachRecord(desk.layout, agentId, modifiedSince)) {
      if (read.state === 'unreadable') {
        problems.push({ file: read.file, reason: read.reason });
        continue;
      }
      const { record } = read;
      total++;
      if (since !== undefined && record.updatedAt < since) continue;
      if (filter.channel !== undefined && record.channel !== filter.channel) continue;
      if (needle !== undefined && !isFound(record, needle)) continue;
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

function isFound(record: SessionRecord, needle: string): boolean {
  const { label } = record as { label?: unknown };
  const { groupName, fromName } = record.lastRoute ?? {};
  const texts = [record.key, record.sessionId, label, groupName, fromName];
  return texts.some(text => typeof text === 'string' && fold(text).includes(needle));
}

/** Text as it is compared: case and the way letters are put together do not count. */
export function fold(text: string): string {
  return text.normalize('NFC').toLowerCase();
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
    lastActiveAt: isoTime(record.updatedAt),
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
    displayName: record.lastRoute?.groupName ?? record.lastRoute?.fromName ?? null,
  };
}
