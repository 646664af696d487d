/**
 * What imports have written: how an imported transcript is told from one of claw's own, and files that are written in
 * numbers. Many small files are made durable in rounds (all contents, then all names), so that ten thousand of them
 * cost one wait for the disk each, not three.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Entry, HeaderEntry } from '../core/session/transcript.ts';
import { makeFolder, syncFolder, writeAll } from './json-file.ts';
import { lineBytes, parseLine, readBackward, readForward } from './jsonl-file.ts';

/** Part of the header of an imported transcript: what it was made from. */
export interface ImportedFrom {
  system: string;
  /** folder of the old system's state */
  source: string;
  /** below `source` */
  file: string;
  /** SHA-256 of that file's bytes, and how many there were */
  sha: string;
  size: number;
  /** key in the old store */
  oldKey: string | null;
  /** the same for what its store said about it, shortened */
  entry: string;
  role: 'current' | 'archived';
  why?: string;
  /** where one old transcript held several sessions: which of them, from 0 */
  part?: number;
  /** version of the mapping of lines */
  mapping: 1;
}

/** An imported transcript as it stands in claw's store. */
export interface ImportMark {
  header: HeaderEntry;
  /** null: not imported */
  from: ImportedFrom | null;
  /** nothing was appended since the import */
  untouched: boolean;
  /** SHA-256 of the record that was written with it */
  recordSha: string | null;
  size: number;
}

/** Hex SHA-256 of a text. */
export function shaOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** A UUID (version 8, RFC 9562) made from a text: the same one each time. */
export function uuidFrom(text: string): string {
  const hex = shaOf(text);
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** What a transcript of claw says about its import. Null: there is none; `foreign`: no header of claw stands in it. */
export function readImportMark(file: string): ImportMark | 'foreign' | null {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (!stat) return null;
  const first = firstOf(readForward(file));
  if (first === null || first.type !== 'session') return 'foreign';
  const header = first as HeaderEntry & { importedFrom?: ImportedFrom };
  const from =
    typeof header.importedFrom === 'object' && header.importedFrom !== null ? header.importedFrom : null;
  const last =
    from === null ? null : (firstOf(readBackward(file)) as { imported?: unknown; record?: unknown } | null);
  const recordSha = typeof last?.record === 'string' ? last.record : null;
  return { header, from, untouched: last?.imported === true, recordSha, size: stat.size };
}

function firstOf(lines: Generator<{ bytes: Buffer }>): Entry | null {
  for (const line of lines) {
    const value = parseLine(line.bytes);
    return typeof value === 'string' ? null : value;
  }
  return null;
}

/** Where entries of a transcript go; `bytes` have gone there so far. */
export interface EntrySink {
  readonly bytes: number;
  put(entry: Entry): void;
}

/** Counts what would be written. */
export class CountingSink implements EntrySink {
  bytes = 0;

  put(entry: Entry): void {
    this.bytes += lineBytes(entry).length;
  }
}

const BUFFERED = 1024 * 1024;

/** A file written under a temporary name; it gets its own in `commitFiles`. */
export class StagedFile implements EntrySink {
  bytes = 0;
  readonly file: string;
  readonly temporary: string;
  /** null once closed */
  private fd: number | null;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;

  /** @param temporary path whose last part is `.tmp-<token>` */
  constructor(file: string, temporary: string) {
    makeFolder(path.dirname(file));
    makeFolder(path.dirname(temporary));
    this.file = file;
    this.temporary = temporary;
    this.fd = fs.openSync(temporary, 'wx', 0o600);
  }

  put(entry: Entry): void {
    this.write(lineBytes(entry));
  }

  write(bytes: Buffer): void {
    this.bytes += bytes.length;
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    if (this.waitingBytes >= BUFFERED) this.flush();
  }

  /** Everything is handed to the system; it is durable after `commitFiles`. */
  close(): void {
    this.flush();
    this.release();
  }

  /** Removes the temporary, also after a failure in the midst of it. */
  abandon(): void {
    this.release();
    fs.rmSync(this.temporary, { force: true });
  }

  private release(): void {
    const { fd } = this;
    this.fd = null;
    if (fd !== null) fs.closeSync(fd);
  }

  private flush(): void {
    if (this.fd !== null && this.waiting.length > 0) writeAll(this.fd, Buffer.concat(this.waiting));
    this.waiting = [];
    this.waitingBytes = 0;
  }
}

/** Makes all contents durable, then gives each file its name, then makes the names durable. */
export function commitFiles(files: readonly StagedFile[]): void {
  for (const { temporary } of files) {
    const fd = fs.openSync(temporary, 'r+');
    try {
      fs.fdatasyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }
  for (const { temporary, file } of files) fs.renameSync(temporary, file);
  for (const folder of new Set(files.map(({ file }) => path.dirname(file)))) syncFolder(folder);
}
