/** `sessions list --archived`: transcripts that no record points to, from a few KB of each. */
import { ago } from '../../core/display/age.ts';
import { EXIT } from '../../core/errors.ts';
import { type KeyScope, kindOfKey } from '../../core/routing/session-key.ts';
import { maySee, viewerOf } from '../../core/routing/visibility.ts';
import { isSelected } from '../../core/session/selection.ts';
import type { Desk } from '../../runner/desk.ts';
import { type ArchivedTranscript, listArchives } from '../../store/archives.ts';
import { listAgents } from '../../store/sessions.ts';
import { isoTime, table, terminalWidth } from '../format.ts';
import { printJsonRows, printOut } from '../output.ts';
import type { RowFilter } from './rows.ts';
import { scopeField, scopeLine } from './visible.ts';

/** One archived transcript. `updatedAt` (epoch ms) and `ageMs` count from when it was archived. */
export interface ArchivedRow {
  sessionId: string;
  /** session key; null where the transcript does not say */
  key: string | null;
  kind: string | null;
  agentId: string;
  channel: string | null;
  updatedAt: number;
  ageMs: number;
  startedAt: string | null;
  endedAt: string | null;
  reason: string | null;
  nextSessionId: string | null;
  /** null where counting would mean reading the whole transcript */
  messageCount: number | null;
  preview: string | null;
  bytes: number;
  path: string;
}

/** Prints the archived transcripts that pass a filter, newest first. Returns the exit status. */
export function listArchived(
  desk: Desk,
  filter: RowFilter,
  options: { now: number; limit: number | undefined; json: boolean; warn(text: string): void },
): number {
  const { now, limit } = options;
  const { rows, undecided } = archivedRows(desk, filter, now);
  const shown = limit === undefined ? rows : rows.slice(0, limit);
  if (options.json) {
    const head = {
      path: desk.layout.agents(),
      archived: true,
      count: shown.length,
      totalCount: rows.length,
      hasMore: shown.length < rows.length,
      activeMinutes: filter.activeMinutes ?? null,
      ...scopeField(desk),
    };
    printJsonRows(head, 'sessions', shown);
  } else if (shown.length > 0)
    printOut(
      table(
        ['FIRST WORDS', 'SESSION ID', 'KEY', 'ENDED', 'WHY', 'MESSAGES'],
        shown.map(row => [
          row.preview ?? '-',
          row.sessionId,
          row.key ?? '-',
          ago(row.ageMs),
          row.reason ?? '-',
          String(row.messageCount ?? '?'),
        ]),
        terminalWidth(),
        { whole: ['SESSION ID'], giving: ['WHY', 'MESSAGES', 'KEY'], text: ['FIRST WORDS'] },
      ) + scopeLine(desk),
    );
  else
    printOut(
      `No archived transcripts${Object.keys(filter).length > 0 ? ' that match' : ''}.\n${scopeLine(desk)}`,
    );
  for (const file of undecided)
    options.warn(`${file}: it may be current, the record of its key cannot be read (claw doctor --fix)`);
  return undecided.length > 0 ? EXIT.data : EXIT.ok;
}

function archivedRows(
  desk: Desk,
  filter: RowFilter,
  now: number,
): { rows: ArchivedRow[]; undecided: string[] } {
  const agents = filter.agentId ? [filter.agentId] : listAgents(desk.layout);
  const viewer = viewerOf(desk.context.env);
  const rows: ArchivedRow[] = [];
  const undecided: string[] = [];
  for (const agentId of agents) {
    const found = listArchives(desk.layout, agentId);
    if (viewer === null) undecided.push(...found.undecided);
    for (const archived of found.archived) {
      const row = archivedRow(desk, archived, now);
      const isVisible =
        viewer === null || (row.key !== null && maySee(viewer, { agentId, key: row.key }, desk.config));
      if (isVisible && passes(row, filter, now, desk.config.session ?? {})) rows.push(row);
    }
  }
  rows.sort((a, b) => b.updatedAt - a.updatedAt || (a.sessionId < b.sessionId ? -1 : 1));
  return { rows, undecided };
}

/** One archived transcript as a row. */
export function archivedRow(desk: Desk, archived: ArchivedTranscript, now: number): ArchivedRow {
  const { sessionId, key, agentId, channel, endedAt, startedAt, reason, nextSessionId } = archived;
  return {
    sessionId,
    key,
    kind: key === null ? null : kindOfKey(key, desk.config.session),
    agentId,
    channel,
    updatedAt: endedAt,
    ageMs: Math.max(0, now - endedAt),
    startedAt: startedAt === null ? null : isoTime(startedAt),
    endedAt: isoTime(endedAt),
    reason,
    nextSessionId,
    messageCount: archived.messageCount,
    preview: archived.preview,
    bytes: archived.bytes,
    path: archived.file,
  };
}

function passes(row: ArchivedRow, filter: RowFilter, now: number, scope: KeyScope): boolean {
  const { key, sessionId, agentId, channel, updatedAt, preview } = row;
  const selectable = { key: key ?? '', sessionId, agentId, channel: channel ?? '', updatedAt };
  // What is remembered of an archived conversation is how it began.
  return isSelected({ ...selectable, subject: preview ?? undefined }, filter, now, scope);
}
