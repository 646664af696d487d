/** Session records as the rows that `sessions` prints. */
import { agentEntry } from '../../core/agent.ts';
import { contextWindow } from '../../core/context/history.ts';
import { maySee, viewerOf } from '../../core/routing/visibility.ts';
import { isSelected, newestFirst, type SessionSelection, sessionKind } from '../../core/session/selection.ts';
import type { SessionRecord } from '../../core/session/session.ts';
import type { SettingValues } from '../../core/session/settings.ts';
import type { Desk } from '../../runner/desk.ts';
import { settingsOf } from '../../runner/judge.ts';
import { listNames } from '../../store/json-file.ts';
import { encodeKey, restOfKey } from '../../store/layout.ts';
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
  /** of the newest context */
  usedTokens: number;
  /** the model's window */
  contextTokens: number;
  percentUsed: number;
  tokensEstimated: boolean;
  /** its own settings, where it has them */
  thinkingLevel?: string;
  label?: string;
  /** name of the group, else of who wrote last */
  displayName: string | null;
}

export type RowFilter = Omit<SessionSelection, 'limit'>;

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
  const viewer = viewerOf(desk.context.env);
  const scope = desk.config.session ?? {};
  let total = 0;
  for (const agentId of agents) {
    // One look at the folder: few sessions have settings, and only theirs are read.
    const set = new Set(listNames(desk.layout.settingsFolder(agentId)));
    for (const read of eachRecord(desk.layout, agentId, modifiedSince)) {
      if (read.state === 'unreadable') {
        if (viewer === null) problems.push({ file: read.file, reason: read.reason });
        continue;
      }
      const { record } = read;
      if (!maySee(viewer, record, desk.config)) continue;
      total++;
      const own =
        set.size > 0 && set.has(`${encodeKey(restOfKey(record.key))}.json`) ? ownSettings(desk, record) : {};
      const named =
        filter.search === undefined
          ? record
          : { ...record, label: own.label, displayName: displayName(record) ?? undefined };
      if (isSelected(named, filter, now, scope))
        rows.push({
          ...rowOf(desk, record, now),
          ...shownSettings(own),
          model: nextModel(desk, record, own),
        });
    }
  }
  return { rows: rows.sort(newestFirst), problems, total };
}

/** A settings file that cannot be read is the business of `doctor`; it hides no row. */
function ownSettings(desk: Desk, record: SessionRecord): SettingValues {
  try {
    return settingsOf(desk, record);
  } catch {
    return {};
  }
}

/** The model the next turn is run with; null where the runner chooses. What the last one ran with is for `show`. */
function nextModel({ config }: Desk, record: SessionRecord, own: SettingValues): string | null {
  const model = own.model ?? agentEntry(config, record.agentId)?.model ?? config.agents?.defaults?.model;
  return typeof model === 'string' ? model : null;
}

/** What of a session's own settings a listing shows. */
function shownSettings({ thinkingLevel, label }: SettingValues): Partial<SessionRow> {
  return {
    ...(thinkingLevel ? { thinkingLevel } : {}),
    ...(label ? { label } : {}),
  };
}

function displayName({ lastRoute }: SessionRecord): string | null {
  return lastRoute?.groupName ?? lastRoute?.fromName ?? null;
}

/** One record as a row. */
export function rowOf(desk: Desk, record: SessionRecord, now: number): SessionRow {
  const window = contextWindow(desk.config, record.agentId);
  const used = record.tokens?.contextTokens ?? 0;
  return {
    key: record.key,
    kind: sessionKind(record, desk.config.session),
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
    usedTokens: used,
    contextTokens: window,
    percentUsed: Math.round((used / window) * 100),
    tokensEstimated: record.tokens?.estimated ?? false,
    displayName: displayName(record),
  };
}
