/** One session, or the store, as text for other tools and for people, piece by piece. */
import fs from 'node:fs';
import { contextWindow } from '../core/context/history.ts';
import {
  type Counts,
  countItem,
  type Item,
  itemsOf,
  NO_COUNTS,
  type SessionFacts,
  unreadableItem,
  unreadableText,
} from '../core/export/item.ts';
import { markdownDay, markdownHead, markdownItem } from '../core/export/markdown.ts';
import { pageDay, pageFoot, pageHead, pageItem } from '../core/export/page.ts';
import { dayOf, localTimeAt } from '../core/schedule/zone.ts';
import type { SessionRecord } from '../core/session/session.ts';
import type { SettingValues } from '../core/session/settings.ts';
import { SAFE_SESSION_ID } from '../core/session/transcript.ts';
import { listAgents, listRecords, type RecordProblem } from '../store/sessions.ts';
import { type StreamedLine, streamEntries } from '../store/transcript-lines.ts';
import type { Desk } from './desk.ts';
import { settingsOf } from './judge.ts';

export type ExportFormat = 'json' | 'jsonl' | 'md' | 'html';

export interface ExportSource {
  agentId: string;
  sessionId: string;
  /** null for an archived transcript */
  record: SessionRecord | null;
}

export interface ExportOptions {
  format: ExportFormat;
  /** the transcripts it was reset from too, oldest first */
  withArchived: boolean;
  onBad(file: string, line: number, reason: string): void;
}

/** A transcript as far as it reached when the export began. */
interface Transcript {
  sessionId: string;
  file: string;
  size: number;
  sessionKey: string | null;
  previous: string | null;
  startedAt: number | null;
}

/**
 * A session in one of the formats. Reads line by line; JSON and JSON lines once, Markdown and the page twice, because
 * their heads tell how much there is.
 *
 * @throws system errors of the newest transcript; an older one that is gone ends the chain and is told
 */
export function* exportSession(
  desk: Desk,
  source: ExportSource,
  options: ExportOptions,
): Generator<string | Uint8Array> {
  const transcripts = chain(desk, source, options.withArchived);
  if (options.format === 'jsonl') yield* rawLines(transcripts, options);
  else if (options.format === 'json') yield* jsonDocument(desk, source, transcripts, options);
  else yield* readableDocument(desk, source, transcripts, options);
}

/** The transcript, and where wanted those before it, oldest first. */
function chain(desk: Desk, { agentId, sessionId }: ExportSource, withArchived: boolean): Transcript[] {
  const { layout } = desk;
  const newest = head(layout.transcript(agentId, sessionId), sessionId);
  const found = [newest];
  const seen = new Set([sessionId]);
  for (let id = newest.previous; withArchived && id !== null && !seen.has(id); ) {
    seen.add(id);
    const file = layout.transcript(agentId, id);
    if (!fs.existsSync(file)) {
      desk.warn(`${file}: the archived transcript is gone; what came before is left out`);
      break;
    }
    const older = head(file, id);
    // Whatever points at it, a file of another session is not this one's past.
    if (older.sessionKey !== newest.sessionKey) break;
    found.unshift(older);
    id = older.previous;
  }
  return found;
}

function head(file: string, sessionId: string): Transcript {
  const { size } = fs.statSync(file);
  const none = { sessionId, file, size, sessionKey: null, previous: null, startedAt: null };
  for (const { entry } of streamEntries(file, { to: size })) {
    if (typeof entry === 'string' || entry.type !== 'session') return none;
    const { sessionKey, previousSessionId, timestamp } = entry as Record<string, unknown>;
    const isId = typeof previousSessionId === 'string' && SAFE_SESSION_ID.test(previousSessionId);
    return {
      ...none,
      sessionKey: typeof sessionKey === 'string' ? sessionKey : null,
      previous: isId ? previousSessionId : null,
      startedAt: typeof timestamp === 'number' && Math.abs(timestamp) <= 8.64e15 ? timestamp : null,
    };
  }
  return none;
}

function* lines(transcripts: Transcript[]): Generator<StreamedLine & { transcript: Transcript }> {
  for (const transcript of transcripts) {
    for (const line of streamEntries(transcript.file, { to: transcript.size })) yield { ...line, transcript };
  }
}

const NEWLINE = Buffer.from('\n');

/** The lines that are entries, byte for byte. */
function* rawLines(transcripts: Transcript[], { onBad }: ExportOptions): Generator<Uint8Array> {
  for (const { transcript, entry, bytes, number } of lines(transcripts)) {
    if (typeof entry === 'string') onBad(transcript.file, number, entry);
    else {
      yield bytes;
      yield NEWLINE;
    }
  }
}

/** One document with every entry as it stands in its line, of known type or not. */
function* jsonDocument(
  desk: Desk,
  source: ExportSource,
  transcripts: Transcript[],
  { onBad }: ExportOptions,
): Generator<string> {
  const facts = factsOf(desk, source, transcripts);
  const { record } = source;
  const about = {
    sessionKey: facts.sessionKey,
    sessionId: facts.sessionId,
    agentId: facts.agentId,
    current: facts.current,
    startedAt: iso(facts.startedAt),
    lastActiveAt: record ? iso(record.updatedAt) : null,
    exportedAt: iso(desk.context.now()),
    chatType: record?.chatType ?? null,
    channel: facts.channel,
    model: facts.model,
    settings: record ? settingsOf(desk, record) : null,
    tokens: record?.tokens ?? null,
    previousSessionId: transcripts[0]!.previous,
    transcripts: transcripts.map(({ sessionId, startedAt }) => ({ sessionId, startedAt: iso(startedAt) })),
  };
  yield `${JSON.stringify(about).slice(0, -1)},"entries":[`;
  let count = 0;
  let unreadable = 0;
  for (const { transcript, entry, bytes, number } of lines(transcripts)) {
    const text = bytes.toString('utf8');
    if (typeof entry === 'string') {
      unreadable++;
      onBad(transcript.file, number, entry);
    }
    const piece =
      typeof entry === 'string'
        ? JSON.stringify({
            type: 'unreadable',
            line: number,
            sessionId: transcript.sessionId,
            reason: entry,
            text: unreadableText(text),
          })
        : text.trim();
    yield `${count++ === 0 ? '\n' : ',\n'}${piece}`;
  }
  yield `\n],"count":${count},"unreadable":${unreadable}}\n`;
}

/** Markdown, or a page. */
function* readableDocument(
  desk: Desk,
  source: ExportSource,
  transcripts: Transcript[],
  { format, onBad }: ExportOptions,
): Generator<string> {
  const { zone } = desk;
  const facts = factsOf(desk, source, transcripts);
  const counts: Counts = { ...NO_COUNTS };
  for (const { item } of items(transcripts)) countItem(counts, item);
  const isPage = format === 'html';
  yield isPage ? pageHead(facts, counts, zone) : markdownHead(facts, counts, zone);
  let day = '';
  for (const { item, bad } of items(transcripts)) {
    if (bad) onBad(bad.file, bad.line, bad.reason);
    const itsDay = item.at === null ? day : dayOf(localTimeAt(zone, item.at));
    if (item.at !== null && itsDay !== day) {
      day = itsDay;
      yield isPage ? pageDay(item.at, zone) : markdownDay(item.at, zone);
    }
    yield isPage ? pageItem(item, source.agentId, zone) : markdownItem(item, source.agentId, zone);
  }
  if (isPage) yield pageFoot(desk.context.now(), facts, zone);
}

function* items(
  transcripts: Transcript[],
): Generator<{ item: Item; bad?: { file: string; line: number; reason: string } }> {
  for (const { transcript, entry, bytes, number } of lines(transcripts)) {
    if (typeof entry === 'string') {
      const item = unreadableItem(number, entry, bytes.toString('utf8'));
      yield { item, bad: { file: transcript.file, line: number, reason: entry } };
    } else for (const item of itemsOf(entry)) yield { item };
  }
}

function factsOf(desk: Desk, source: ExportSource, transcripts: Transcript[]): SessionFacts {
  const { record } = source;
  const newest = transcripts.at(-1)!;
  return {
    agentId: source.agentId,
    sessionKey: record?.key ?? newest.sessionKey,
    sessionId: source.sessionId,
    current: record !== null,
    startedAt: transcripts[0]!.startedAt ?? record?.startedAt ?? null,
    channel: record?.channel ?? null,
    model: (record && settingsOf(desk, record).model) ?? record?.model ?? null,
    transcripts: transcripts.map(({ sessionId }) => sessionId),
    zone: desk.zone.name,
  };
}

function iso(at: number | null): string | null {
  return at === null || !(Math.abs(at) <= 8.64e15) ? null : new Date(at).toISOString();
}

/**
 * The store as the one map that other tools of the field keep: session key → what they call a session entry. Times are
 * epoch ms, tokens sums over the session, `contextTokens` the size of the model's window.
 */
export function* exportStore(
  desk: Desk,
  maySee: (agentId: string, sessionKey: string) => boolean,
  onBad: (problem: RecordProblem) => void,
): Generator<string> {
  let isFirst = true;
  yield '{';
  for (const agentId of listAgents(desk.layout)) {
    const { records, problems } = listRecords(desk.layout, agentId);
    for (const record of records) {
      if (!maySee(agentId, record.key)) continue;
      const settings = settingsOrProblem(desk, record, onBad);
      const entry = JSON.stringify(storeEntry(desk, record, settings));
      yield `${isFirst ? '\n' : ',\n'}${JSON.stringify(record.key)}:${entry}`;
      isFirst = false;
    }
    for (const problem of problems) onBad(problem);
  }
  yield '\n}\n';
}

/** A settings file that cannot be read costs the row its settings, not the export. */
function settingsOrProblem(
  desk: Desk,
  record: SessionRecord,
  onBad: (problem: RecordProblem) => void,
): SettingValues {
  try {
    return settingsOf(desk, record);
  } catch (error) {
    onBad({ file: desk.layout.settings(record.agentId, record.key), reason: (error as Error).message });
    return {};
  }
}

function storeEntry(desk: Desk, record: SessionRecord, settings: SettingValues): object {
  const { tokens, lastRoute } = record;
  return {
    sessionId: record.sessionId,
    updatedAt: record.updatedAt,
    sessionFile: desk.layout.transcript(record.agentId, record.sessionId),
    createdAt: record.createdAt,
    startedAt: record.startedAt,
    chatType: record.chatType,
    channel: record.channel,
    model: settings.model ?? record.model,
    thinkingLevel: settings.thinkingLevel,
    verboseLevel: settings.verboseLevel,
    reasoningLevel: settings.reasoningLevel,
    elevatedLevel: settings.elevated,
    sendPolicy: settings.sendPolicy,
    groupActivation: settings.groupActivation,
    queueMode: settings.queueMode,
    inputTokens: tokens?.inputTokens ?? 0,
    outputTokens: tokens?.outputTokens ?? 0,
    totalTokens: tokens?.totalTokens ?? 0,
    contextTokens: contextWindow(desk.config, record.agentId),
    messageCount: record.messageCount,
    lastChannel: lastRoute?.channel,
    lastTo: lastRoute?.to,
    lastAccountId: lastRoute?.accountId,
    lastThreadId: lastRoute?.threadId,
    groupId: lastRoute?.groupId,
    displayName: lastRoute?.groupName,
  };
}
