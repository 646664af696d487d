/**
 * Brings another system's state into claw's store. The source is only read. The order, round by round:
 *
 *     take the keys' locks · write transcripts under temporary names, make them durable, name them
 *     · then their records the same way · release
 *
 * A record is thus never without its transcript. What was imported before is known by the header of the transcript, so
 * a run that was interrupted anywhere is simply run again; what has changed here since is left alone.
 */
import { isUtf8 } from 'node:buffer';
import fs from 'node:fs';
import path from 'node:path';
import type { Adoption } from '../config/adopt.ts';
import type { ConfigInput } from '../config/schema.ts';
import { ClawError } from '../core/errors.ts';
import { type ImportedJob, readJob } from '../core/import/job.ts';
import {
  type Fields,
  isFields,
  isResetLine,
  type LineCounts,
  LineMapper,
  noLines,
  timeOf,
} from '../core/import/line.ts';
import { type ArchiveReason, type ImportItem, planImport } from '../core/import/plan.ts';
import { originOf, recordOf, settingsFileOf } from '../core/import/record.ts';
import { agentIds } from '../core/routing/binding.ts';
import { hasAccount } from '../core/routing/channel.ts';
import type { SessionRecord } from '../core/session/session.ts';
import type { StoredSettings } from '../core/session/settings.ts';
import { type Entry, type HeaderEntry, SAFE_SESSION_ID } from '../core/session/transcript.ts';
import {
  type FileProblem,
  type ForeignStore,
  type ForeignTranscript,
  type NotTaken,
  openForeignStore,
  openTranscript,
  readForeignText,
} from '../store/foreign-stores.ts';
import {
  CountingSink,
  commitFiles,
  type EntrySink,
  type ImportedFrom,
  readImportMark,
  StagedFile,
  shaOf,
  uuidFrom,
} from '../store/imports.ts';
import { changeJobs, type JobChange, type JobList, jobsOrThrow, loadJobs } from '../store/jobs.ts';
import { jsonBytes, listNames, makeFolder, sweepTemporaries } from '../store/json-file.ts';
import { lineBytes, parseLine } from '../store/jsonl-file.ts';
import { holderOf, type Lock, newToken, sweepLocks, tokenState, tryLock } from '../store/lock.ts';
import { loadRecord } from '../store/sessions.ts';
import type { Desk } from './desk.ts';

/** A session or transcript of which a person may want to know. */
export interface NotableSession {
  key: string;
  sessionId: string | null;
  file: string;
  outcome: 'archived' | 'kept' | 'skipped' | 'renamed';
  reason: string;
}

export interface ImportReport {
  system: string;
  /** absolute */
  source: string;
  dryRun: boolean;
  sessions: {
    imported: number;
    updated: number;
    unchanged: number;
    archived: number;
    /** changed here since an earlier import, so left as they are */
    kept: number;
    skipped: number;
  };
  /** lines of what was written in this run */
  entries: LineCounts;
  jobs: { imported: string[]; existing: string[]; invalid: { id: string | null; reason: string }[] };
  /** files of run records */
  runs: { imported: number; unchanged: number; kept: number };
  config: {
    outcome: 'none' | 'written' | 'kept' | 'unusable';
    /** the old file, absolute */
    from: string | null;
    file: string;
    notes: string[];
    leftOut: { path: string; reason: string }[];
  };
  /** settings of sessions that have no counterpart, with how often */
  settingsLeftOut: Record<string, number>;
  notTaken: NotTaken[];
  notable: NotableSession[];
  problems: FileProblem[];
  /** sessions that were in use */
  busy: string[];
  notes: string[];
}

export interface ImportOptions {
  /** say what would come, write nothing */
  dryRun: boolean;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Files in one round, and the bytes after which a round ends early. */
const ROUND_FILES = 256;
const ROUND_BYTES = 64 * 1024 * 1024;

/** Most lines that are looked at for the time a session began. */
const HEAD_LINES = 50;

const WHY: Record<ArchiveReason, string> = {
  'older-key': 'a newer session of the old store has its key',
  'no-entry': 'no entry of the old store names it',
  deleted: 'it was deleted there',
  reset: 'it was reset there',
  'live-session': 'claw has a session of its own under that key',
};

/**
 * Imports the state in `folder`.
 *
 * @throws ClawError for a source that is none, and for a store that cannot be written; what was written until then
 *   stays, and the next run goes on from it
 */
export async function importStore(desk: Desk, folder: string, options: ImportOptions): Promise<ImportReport> {
  const store = openForeignStore(folder);
  const home = realPlace(desk.layout.home);
  if (
    store.root === home ||
    store.root.startsWith(home + path.sep) ||
    home.startsWith(store.root + path.sep)
  ) {
    const message = `${store.root} is claw's own state, or lies around it`;
    throw new ClawError('usage', 'import-source-own', message, 'claw sessions list');
  }
  try {
    return await new Importer(desk, store, options).run();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof ClawError || typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) throw error;
    const text = `the import stopped: ${message}; what came until then is whole`;
    throw new ClawError('io', 'import-stopped', text, `claw import ${store.root} goes on from there`);
  }
}

/** Where a path leads, also where its last parts are still to be made. */
function realPlace(place: string): string {
  if (fs.existsSync(place) || path.dirname(place) === place) return fs.realpathSync(place);
  return path.join(realPlace(path.dirname(place)), path.basename(place));
}

/** A transcript (or several parts of one) that waits for the end of its round. */
interface Staged {
  files: StagedFile[];
  record: SessionRecord | null;
  settings: StoredSettings | null;
  lock: Lock | null;
}

class Importer {
  private readonly report: ImportReport;
  private readonly swept = new Set<string>();
  private round: Staged[] = [];
  private roundBytes = 0;
  private config: ConfigInput;

  constructor(
    private readonly desk: Desk,
    private readonly store: ForeignStore,
    private readonly options: ImportOptions,
  ) {
    this.config = desk.config;
    this.report = {
      system: store.system,
      source: store.root,
      dryRun: options.dryRun,
      sessions: { imported: 0, updated: 0, unchanged: 0, archived: 0, kept: 0, skipped: 0 },
      entries: noLines(),
      jobs: { imported: [], existing: [], invalid: [] },
      runs: { imported: 0, unchanged: 0, kept: 0 },
      config: {
        outcome: 'none',
        from: null,
        file: path.join(desk.layout.home, 'claw.json'),
        notes: [],
        leftOut: [],
      },
      settingsLeftOut: {},
      notTaken: store.notTaken,
      notable: [],
      problems: store.problems,
      busy: [],
      notes: store.notes,
    };
  }

  async run(): Promise<ImportReport> {
    const { report, desk } = this;
    const adopted = await this.adopt();
    const session = this.config.session ?? {};
    const plan = planImport(this.store.shelves, {
      keys: {
        session,
        hasAccount: (channel, accountId) => hasAccount(this.config.channels, channel, accountId),
        oldMainKey: adopted?.mainKey,
      },
      uuidFrom: text => uuidFrom(`${this.store.system}\n${text}`),
    });
    report.problems.push(...plan.problems);
    report.notes.push(...plan.notes);
    // A session takes its key before its predecessors are archived: a live record never names an archived transcript.
    const items = [...plan.items].sort(
      (a, b) => Number(a.role === 'archived') - Number(b.role === 'archived'),
    );
    try {
      for (const [index, item] of items.entries()) {
        const last = items[index - 1];
        if (last !== undefined && last.role !== item.role) this.commit();
        this.take(item);
        this.options.onProgress?.(index + 1, items.length);
      }
      this.commit();
    } finally {
      this.abandon();
    }
    this.takeJobs();
    this.takeRuns();
    const unknown = new Set(
      items.map(item => item.agentId).filter(id => !agentIds(this.config).includes(id)),
    );
    for (const agentId of unknown)
      report.notes.push(
        `agent ${agentId} is not in agents.list; its sessions are listed, but no message reaches them until it is (${desk.context.configFile})`,
      );
    return report;
  }

  // Config

  /** The old configuration in canonical form; written where claw has none, since keys follow from it. */
  private async adopt(): Promise<Adoption | null> {
    const { report, store, desk } = this;
    const { config } = report;
    if (store.configFile === null) return null;
    config.from = path.join(store.root, store.configFile);
    const read = readForeignText(store, store.configFile);
    if ('reason' in read) {
      report.problems.push({ file: store.configFile, reason: read.reason });
      config.outcome = 'unusable';
      return null;
    }
    const { adoptConfig } = await import('../config/adopt.ts');
    const adoption = adoptConfig(read.text);
    config.notes = adoption.notes;
    config.leftOut = adoption.leftOut;
    for (const name of adoption.secrets)
      report.notTaken.push({
        what: 'secret',
        file: `${store.configFile}: ${name}`,
        reason: 'claw keeps no secrets',
      });
    if (adoption.config === null) {
      config.outcome = 'unusable';
      const reason = adoption.leftOut.at(-1)?.reason ?? 'it could not be translated';
      report.problems.push({ file: store.configFile, reason });
      return adoption;
    }
    if (fs.existsSync(config.file) || desk.context.configExplicit) {
      config.outcome = 'kept';
      return adoption;
    }
    config.outcome = 'written';
    this.config = adoption.config;
    if (this.options.dryRun) return adoption;
    makeFolder(desk.layout.home);
    this.sweepFolder(desk.layout.home);
    const head = [
      `// Configuration of claw (JSON5), taken over from ${config.from}`,
      ...adoption.leftOut.map(({ path: place, reason }) =>
        `// left out: ${place}: ${reason}`.replace(/[\r\n]+/g, ' '),
      ),
    ].join('\n');
    const text = `${head}\n${JSON.stringify(adoption.config, null, 2)}\n`;
    const temporary = path.join(desk.layout.home, `.tmp-${newToken(desk.context)}`);
    const staged = new StagedFile(config.file, temporary);
    try {
      staged.write(Buffer.from(text, 'utf8'));
      staged.close();
      commitFiles([staged]);
    } catch (error) {
      staged.abandon();
      throw error;
    }
    return adoption;
  }

  // Sessions

  private take(item: ImportItem): void {
    const { report } = this;
    let source: ForeignTranscript;
    try {
      source = openTranscript(this.store, item.transcript);
    } catch (error) {
      report.problems.push({ file: item.transcript.file, reason: (error as Error).message });
      report.sessions.skipped++;
      return;
    }
    if (item.role === 'archived') {
      this.takeArchived(item, source);
      return;
    }
    const { key, agentId } = item;
    // Most of a second run is this; it needs no lock.
    if (this.isUnchanged(item, source)) {
      report.sessions.unchanged++;
      return;
    }
    const lock = this.options.dryRun ? null : this.lock(agentId, key);
    const busy = this.options.dryRun ? this.isBusy(agentId, key) : lock === null;
    if (busy) {
      report.busy.push(key);
      this.note(item, 'skipped', 'the session is in use; run the import again when its turn has ended', null);
      return;
    }
    let staged: Staged | null = null;
    try {
      staged = this.takeCurrent(item, source, lock);
    } finally {
      if (staged === null) lock?.release();
    }
  }

  /** Is this very session here already, from this very state of its source? */
  private isUnchanged(item: ImportItem, source: ForeignTranscript): boolean {
    this.sweep(item.agentId);
    const { layout } = this.desk;
    const read = loadRecord(layout, item.agentId, item.key);
    if (read.state !== 'ok') return false;
    const mark = readImportMark(layout.transcript(read.record.agentId, read.record.sessionId));
    return mark !== null && mark !== 'foreign' && isSameState(mark.from, this.fromOf(item, source));
  }

  /** @returns null when nothing is to be written under the lock */
  private takeCurrent(item: ImportItem, source: ForeignTranscript, lock: Lock | null): Staged | null {
    const { report, desk } = this;
    const from = this.fromOf(item, source);
    const read = loadRecord(desk.layout, item.agentId, item.key);
    if (read.state === 'unreadable') {
      report.problems.push({ file: read.file, reason: `${read.reason} (claw doctor --fix)` });
      this.note(item, 'skipped', `claw's own record of it cannot be read: ${read.file}`, null);
      return null;
    }
    if (read.state === 'ok') {
      const { record } = read;
      const mark = readImportMark(desk.layout.transcript(record.agentId, record.sessionId));
      const was = mark === null || mark === 'foreign' ? null : mark.from;
      if (isSameState(was, from)) {
        report.sessions.unchanged++;
        return null;
      }
      const mine = was !== null && isSameSource(was, from);
      const untouched =
        mark !== null &&
        mark !== 'foreign' &&
        mark.untouched &&
        mark.recordSha === shaOf(JSON.stringify(record)) &&
        mark.size === record.bytes;
      if (mine && !untouched) {
        this.note(item, 'kept', 'it has gone on here since it was imported', record.sessionId);
        return null;
      }
      if (!mine && !(was?.source === from.source && untouched)) {
        this.takeArchived({ ...item, role: 'archived', why: 'live-session' }, source);
        return null;
      }
    }
    const place = this.placeFor(item, from);
    if (place === null) return null;
    const staged = this.write(item, source, from, place.sessionId, lock);
    report.sessions[read.state === 'ok' ? 'updated' : 'imported']++;
    return staged;
  }

  private takeArchived(item: ImportItem, source: ForeignTranscript): void {
    const from = this.fromOf(item, source);
    const place = this.placeFor(item, from);
    if (place === null) return;
    this.write(item, source, from, place.sessionId, null);
    if (place.replaces) this.report.sessions.updated++;
    else {
      this.report.sessions.archived++;
      this.note(item, 'archived', WHY[item.why ?? 'no-entry'], place.sessionId);
    }
  }

  /** Under which id a transcript is written; null (and counted) where nothing needs or may be written. */
  private placeFor(item: ImportItem, from: ImportedFrom): { sessionId: string; replaces: boolean } | null {
    const { report, desk } = this;
    const another = uuidFrom(`${from.source}\n${from.file}\n${item.key}`);
    for (const sessionId of [item.sessionId, another]) {
      const mark = readImportMark(desk.layout.transcript(item.agentId, sessionId));
      const renamedFrom = sessionId === item.sessionId ? item.renamedFrom : item.sessionId;
      if (mark === null) {
        if (renamedFrom !== undefined) {
          const why = SAFE_SESSION_ID.test(renamedFrom)
            ? 'that id is taken'
            : 'that id cannot be a file name';
          this.note(item, 'renamed', `was ${renamedFrom}: ${why}`, sessionId);
        }
        return { sessionId, replaces: false };
      }
      if (mark === 'foreign' || mark.from === null || !isSameSource(mark.from, from)) continue;
      if (mark.header.sessionKey !== item.key && this.isInUse(mark.header)) continue;
      const asBefore = mark.header.sessionKey === item.key && mark.from.why === from.why;
      if (item.role === 'archived' && asBefore && isSameState(mark.from, from)) {
        report.sessions.unchanged++;
        return null;
      }
      if (!mark.untouched || (item.role === 'archived' && this.isInUse(mark.header))) {
        this.note(item, 'kept', 'it has gone on here since it was imported', sessionId);
        return null;
      }
      return { sessionId, replaces: true };
    }
    this.note(item, 'kept', 'both ids it could have are taken', null);
    return null;
  }

  /** Does a record name this transcript? */
  private isInUse(header: HeaderEntry): boolean {
    const read = loadRecord(this.desk.layout, header.agentId, header.sessionKey);
    return read.state === 'unreadable' || (read.state === 'ok' && read.record.sessionId === header.id);
  }

  private fromOf(item: ImportItem, source: ForeignTranscript): ImportedFrom {
    return {
      system: this.store.system,
      source: this.store.root,
      file: item.transcript.file,
      sha: source.sha,
      size: source.size,
      oldKey: item.oldKey,
      entry: shaOf(JSON.stringify([item.key, item.entry])).slice(0, 16),
      role: item.role,
      ...(item.why ? { why: item.why } : {}),
      mapping: 1,
    };
  }

  /** Maps a transcript into files of the present round. Every `reset` line inside one that goes on begins a new part. */
  private write(
    item: ImportItem,
    source: ForeignTranscript,
    from: ImportedFrom,
    firstId: string,
    lock: Lock | null,
  ): Staged {
    const { agentId, key } = item;
    const origin = originOf(key, item.entry, this.config.session ?? {});
    const staged: Staged = { files: [], record: null, settings: null, lock };
    this.round.push(staged);
    const begun = beginOf(source, item.transcript.mtimeMs);
    let part = 0;
    let unreadableBefore = 0;
    let sessionId = firstId;
    let startedAt = begun;
    let previousSessionId: string | undefined;
    let sink = this.sink(staged, agentId, sessionId);
    let mapper = new LineMapper({ system: this.store.system, sessionId, origin, timestamp: begun });
    const header = () => {
      const entry: HeaderEntry & { importedFrom: ImportedFrom } = {
        type: 'session',
        version: 1,
        id: sessionId,
        sessionKey: key,
        agentId,
        timestamp: startedAt,
        ...(previousSessionId === undefined ? {} : { previousSessionId }),
        importedFrom: part === 0 ? from : { ...from, part },
      };
      sink.put(entry);
    };
    const put = (entries: Entry[]) => {
      for (const entry of entries) sink.put(entry);
    };
    header();
    for (const { bytes, number } of source.lines()) {
      const line = parseLine(bytes) as Fields | string;
      const isText = isUtf8(bytes);
      if (typeof line === 'string') {
        if (bytes.every(byte => byte === 32 || byte === 9 || byte === 13)) continue;
        const isPlain = isText && !bytes.includes(0);
        put(
          mapper.unreadable(
            isPlain ? { text: bytes.toString('utf8') } : { base64: bytes.toString('base64') },
            number,
          ),
        );
        continue;
      }
      if (item.role === 'current' && isResetLine(line)) {
        const at = timeOf(line.timestamp) ?? mapper.lastTimestamp;
        const nextSessionId = uuidFrom(`${firstId}\n${part + 1}`);
        const reset = {
          type: 'reset',
          timestamp: at,
          reason: resetReason(line),
          nextSessionId,
          imported: true,
        };
        put(mapper.end());
        let whole: Entry = { ...line, ...reset };
        if (!canBeWritten(whole)) {
          put(mapper.unreadable({ text: bytes.toString('utf8') }, number));
          whole = reset;
        }
        this.count(mapper.counts);
        unreadableBefore += mapper.counts.unreadable;
        this.report.entries.resets++;
        sink.put(whole);
        this.finish(sink);
        previousSessionId = sessionId;
        sessionId = nextSessionId;
        startedAt = at;
        part++;
        sink = this.sink(staged, agentId, sessionId);
        mapper = new LineMapper({ system: this.store.system, sessionId, origin, timestamp: at });
        header();
        continue;
      }
      try {
        put(mapper.map(line, number));
      } catch (error) {
        // Nested so deeply that it can be read but not written.
        if (!(error instanceof RangeError)) throw error;
        put(mapper.unreadable({ text: bytes.toString('utf8') }, number));
      }
      // Parsed all the same, but some letters of it are lost: the bytes are kept beside it.
      if (!isText) put(mapper.unreadable({ base64: bytes.toString('base64') }, number));
    }
    put(mapper.end());
    this.count(mapper.counts);
    const facts = { key, agentId, sessionId, startedAt, origin, previousSessionId };
    const { messages, unreadable } = mapper.counts;
    if (item.role === 'current') {
      const record = recordOf(facts, item.entry, mapper, messages);
      staged.record = this.closeWithRecord(sink, record, {
        timestamp: mapper.lastTimestamp,
        messages,
        unreadable,
      });
      staged.settings = settingsFileOf(staged.record, item.entry);
      for (const left of item.entry.leftOut)
        this.report.settingsLeftOut[left] = (this.report.settingsLeftOut[left] ?? 0) + 1;
    } else {
      const end = {
        type: 'reset',
        timestamp: mapper.lastTimestamp,
        reason: 'import',
        why: item.why,
        imported: true,
      };
      sink.put({ ...end, messages, unreadable });
    }
    const unreadableOfAll = unreadableBefore + unreadable;
    if (unreadableOfAll > 0)
      this.report.problems.push({
        file: item.transcript.file,
        reason: `${unreadableOfAll} ${unreadableOfAll === 1 ? 'line is' : 'lines are'} no JSON or no text; kept in the transcript as they were`,
      });
    this.finish(sink);
    this.roundBytes += sink.bytes;
    if (this.round.length >= ROUND_FILES || this.roundBytes >= ROUND_BYTES) this.commit();
    return staged;
  }

  /**
   * Writes the last line, which names the record by its hash: a later run sees by it whether either was changed here.
   * The hash has a fixed length, so the record can say where the line will end.
   */
  private closeWithRecord(sink: EntrySink, record: SessionRecord, about: object): SessionRecord {
    const line = (sha: string) => ({ type: 'imported', ...about, imported: true, record: sha });
    const whole = { ...record, bytes: sink.bytes + lineBytes(line('0'.repeat(64))).length };
    sink.put(line(shaOf(JSON.stringify(whole))));
    return whole;
  }

  private sink(staged: Staged, agentId: string, sessionId: string): EntrySink {
    if (this.options.dryRun) return new CountingSink();
    this.sweep(agentId);
    const { layout, context } = this.desk;
    const temporary = path.join(layout.drafts(agentId), `.tmp-${newToken(context)}`);
    const file = new StagedFile(layout.transcript(agentId, sessionId), temporary);
    staged.files.push(file);
    return file;
  }

  private finish(sink: EntrySink): void {
    if (sink instanceof StagedFile) sink.close();
  }

  private count(counts: LineCounts): void {
    for (const name of Object.keys(counts) as (keyof LineCounts)[]) this.report.entries[name] += counts[name];
  }

  /** Ends a round: transcripts durable and named, then records, then the locks go. */
  private commit(): void {
    const { layout, context } = this.desk;
    const staged = this.round;
    if (!this.options.dryRun && staged.length > 0) {
      commitFiles(staged.flatMap(({ files }) => files));
      const records: StagedFile[] = [];
      try {
        for (const { record, settings, lock } of staged) {
          if (record === null || !lock?.held()) continue;
          const { agentId, key } = record;
          const write = (place: string, value: object) => {
            const temporary = path.join(layout.drafts(agentId), `.tmp-${newToken(context)}`);
            const file = new StagedFile(place, temporary);
            records.push(file);
            file.write(jsonBytes(value));
            file.close();
          };
          // Settings that are there were changed here since an earlier import: they stay.
          const place = layout.settings(agentId, key);
          if (settings !== null && !fs.existsSync(place)) write(place, settings);
          write(layout.record(agentId, key), record);
        }
        commitFiles(records);
      } catch (error) {
        for (const file of records) file.abandon();
        throw error;
      }
    }
    for (const { lock } of staged) lock?.release();
    this.round = [];
    this.roundBytes = 0;
  }

  /** After a failure: nothing stays but what is whole. */
  private abandon(): void {
    for (const { files, lock } of this.round) {
      for (const file of files) file.abandon();
      lock?.release();
    }
    this.round = [];
  }

  private note(
    item: ImportItem,
    outcome: NotableSession['outcome'],
    reason: string,
    sessionId: string | null,
  ): void {
    const { key, transcript } = item;
    this.report.notable.push({ key, sessionId, file: transcript.file, outcome, reason });
    if (outcome === 'kept' || outcome === 'skipped') this.report.sessions[outcome]++;
  }

  // Locks

  /** The lock of a session; null while somebody has it, or while an agent that a dead owner left may still run. */
  private lock(agentId: string, key: string): Lock | null {
    this.sweep(agentId);
    if (this.isBusy(agentId, key)) return null;
    return tryLock(this.desk.context, this.desk.layout.lock(agentId, key), key);
  }

  private isBusy(agentId: string, key: string): boolean {
    const folder = this.desk.layout.lock(agentId, key);
    const holder = holderOf(folder);
    if (holder === null) return false;
    if (tokenState(this.desk.context, holder) !== 'dead') return true;
    return !startedNothing(folder, holder);
  }

  /** What an interrupted run left goes first: temporaries, and locks under which no agent was started. */
  private sweep(agentId: string): void {
    if (this.swept.has(agentId) || this.options.dryRun) return;
    this.swept.add(agentId);
    const { layout, context } = this.desk;
    this.sweepFolder(layout.drafts(agentId));
    for (const folder of sweepLocks(context, layout.locks(agentId))) {
      const holder = holderOf(folder);
      if (holder !== null && startedNothing(folder, holder)) tryLock(context, folder, 'swept')?.release();
    }
  }

  private sweepFolder(folder: string): void {
    sweepTemporaries(folder, token => tokenState(this.desk.context, token) === 'dead');
  }

  // Cron

  private takeJobs(): void {
    const { store, report, desk } = this;
    if (store.jobsFile === null) return;
    const found = readJobs(store, store.jobsFile);
    if (typeof found === 'string') {
      report.problems.push({ file: store.jobsFile, reason: found });
      return;
    }
    const jobs: ImportedJob[] = [];
    for (const raw of found) {
      const read = readJob(raw);
      if (!read.ok) report.jobs.invalid.push({ id: read.id, reason: read.reason });
      else if (jobs.some(job => job.id === read.job.id))
        report.jobs.invalid.push({ id: read.job.id, reason: 'a job before it has the same id' });
      else {
        jobs.push(read.job);
        for (const note of read.notes) report.notes.push(`job ${read.job.id}: ${note}`);
      }
    }
    if (jobs.length === 0) return;
    if (!this.options.dryRun) sweepLocks(desk.context, path.dirname(desk.layout.jobsLock()));
    const take = (list: JobList): JobChange<void> => {
      const present = new Set([...list.jobs.map(({ job }) => job.id), ...list.invalid.map(({ id }) => id)]);
      const folded = new Set([...present].map(id => id?.toLowerCase()));
      report.jobs.existing = jobs.filter(job => present.has(job.id)).map(job => job.id);
      const added = jobs.filter(job => {
        if (!folded.has(job.id.toLowerCase())) return true;
        if (!present.has(job.id))
          report.jobs.invalid.push({
            id: job.id,
            reason: 'a job here has an id that differs in capital letters only',
          });
        return false;
      });
      report.jobs.imported = added.map(job => job.id);
      // Their runs are imported after them, into files that hold nothing of claw's own.
      const put = added.map(job => ({ index: null, raw: { ...job } }));
      return { put, leaveUnseen: true, result: undefined };
    };
    try {
      if (this.options.dryRun) take(jobsOrThrow(loadJobs(desk)));
      else changeJobs(desk, take);
    } catch (error) {
      if (!(error instanceof ClawError)) throw error;
      if (error.code === 'jobs-busy') report.busy.push('cron/jobs.json');
      else
        report.problems.push({ file: desk.layout.jobs(), reason: `${error.message}; no job was imported` });
    }
  }

  /** Run records stay as they were, each marked as imported; a file that claw has written to is left alone. */
  private takeRuns(): void {
    const { store, report, desk } = this;
    const files: StagedFile[] = [];
    const folder = path.dirname(desk.layout.jobRuns('x'));
    if (!this.options.dryRun) this.sweepFolder(folder);
    try {
      for (const name of store.runFiles) {
        const jobId = path.posix.basename(name, '.jsonl');
        if (!SAFE_SESSION_ID.test(jobId)) {
          report.problems.push({ file: name, reason: 'its name is no job id that can be a file name here' });
          continue;
        }
        const target = desk.layout.jobRuns(jobId);
        const lines: Buffer[] = [];
        try {
          const source = openTranscript(store, { file: name, stem: jobId, mtimeMs: 0 });
          for (const { bytes, number } of source.lines()) {
            if (typeof parseLine(bytes) === 'string' && bytes.length > 0)
              report.problems.push({ file: name, reason: `line ${number} is no JSON; kept as it was` });
            lines.push(runLine(bytes, number, store.system));
          }
        } catch (error) {
          report.problems.push({ file: name, reason: (error as Error).message });
          continue;
        }
        const text = Buffer.concat(lines);
        const present = fs.existsSync(target) ? fs.readFileSync(target) : null;
        if (present?.equals(text)) report.runs.unchanged++;
        else if (present !== null && !isAllImported(present)) {
          report.runs.kept++;
          report.notes.push(
            `runs of job ${jobId}: claw has records of its own; the old ones stay in ${name}`,
          );
        } else {
          report.runs.imported++;
          if (this.options.dryRun) continue;
          const file = new StagedFile(target, path.join(folder, `.tmp-${newToken(desk.context)}`));
          files.push(file);
          file.write(text);
          file.close();
        }
      }
      commitFiles(files);
    } catch (error) {
      for (const file of files) file.abandon();
      throw error;
    }
  }
}

/** The same transcript of the same store, or the same bytes of a store that lay elsewhere then. */
function isSameSource(was: ImportedFrom, now: ImportedFrom): boolean {
  return (was.source === now.source && was.file === now.file) || was.sha === now.sha;
}

/** Imported as what it would be now, from the same bytes and the same entry. */
function isSameState(was: ImportedFrom | null, now: ImportedFrom): boolean {
  if (was === null || !isSameSource(was, now)) return false;
  return was.sha === now.sha && was.entry === now.entry && was.role === now.role;
}

/** When a session began: the time of its header, else of its first line that has one. */
function beginOf(source: ForeignTranscript, otherwise: number): number {
  for (const { bytes, number } of source.lines()) {
    const line = parseLine(bytes) as Fields | string;
    if (typeof line !== 'string') {
      const message = isFields(line.message) ? line.message : {};
      const time = timeOf(line.timestamp) ?? timeOf(message.timestamp);
      if (time !== undefined) return time;
    }
    if (number >= HEAD_LINES) break;
  }
  return otherwise;
}

/** Whether the owner of a lock started no agent under it; see `store/lock.ts`. */
function startedNothing(folder: string, holder: string): boolean {
  return !listNames(path.join(folder, holder)).some(name => name.startsWith('c-'));
}

/** Not when it is nested so deeply that JSON.stringify gives up, where JSON.parse did not. */
function canBeWritten(entry: Entry): boolean {
  try {
    JSON.stringify(entry);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function resetReason(line: Record<string, unknown>): 'daily' | 'idle' | 'user' {
  return line.reason === 'daily' || line.reason === 'idle' ? line.reason : 'user';
}

function readJobs(store: ForeignStore, file: string): unknown[] | string {
  const read = readForeignText(store, file);
  if ('reason' in read) return read.reason;
  let value: unknown;
  try {
    value = JSON.parse(read.text);
  } catch (error) {
    return `not JSON: ${(error as Error).message}`;
  }
  if (Array.isArray(value)) return value;
  return isFields(value) && Array.isArray(value.jobs) ? value.jobs : 'it holds no list of jobs';
}

function runLine(bytes: Buffer, number: number, system: string): Buffer {
  const line = parseLine(bytes);
  if (typeof line !== 'string') return lineBytes({ ...line, imported: system });
  const text = bytes.toString('utf8');
  if (text.trim() === '') return Buffer.alloc(0);
  return lineBytes({ type: 'imported_unreadable', line: number, text, imported: system });
}

function isAllImported(bytes: Buffer): boolean {
  return bytes
    .toString('utf8')
    .split('\n')
    .filter(Boolean)
    .every(text => {
      const line = parseLine(Buffer.from(text));
      return typeof line !== 'string' && (line as { imported?: unknown }).imported !== undefined;
    });
}
