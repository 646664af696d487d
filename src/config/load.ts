/**
 * Loads the configuration. The file can name commands that will be executed, so who may write to it is checked before
 * a byte of it is believed (CVE-2026-25593: a command path set through an unprotected config was run).
 *
 * Nearly every start meets the same text as the one before. json5 and zod take about 40 ms to load, so the outcome is
 * kept in `cache/config.json` together with the text it belongs to, and used while text and version are the same and
 * the cache file is this user's alone. Everything in `cache/` may be deleted at any time.
 */
import fs from 'node:fs';
import path from 'node:path';
import { ClawError } from '../core/errors.ts';
import type { ConfigInput } from './schema.ts';

export interface LoadedConfig {
  /** canonical form, as written: nothing filled in */
  config: ConfigInput;
  /** the file it came from; null when there is none */
  file: string | null;
  /** what the user should know: translated and ineffective keys, doubtful settings, a loose file mode */
  notes: string[];
  /** those of the notes that are about safety and must not be said only once */
  warnings: string[];
  /** none: no file; cache: a text checked before; file: checked just now */
  source: 'none' | 'cache' | 'file';
}

export interface LoadConfigOptions {
  /** absolute path of the config file */
  file: string;
  /** the file was asked for by name: its absence is an error, not an empty configuration */
  explicit: boolean;
  /** `$CLAW_HOME`, absolute; the cache is below it */
  home: string;
  /** claw's version; a cache of another one is not used */
  version: string;
  /** who must own config and cache; undefined where files have no owners (Windows) and nothing can be checked */
  uid: number | undefined;
}

/**
 * Reads and checks the configuration.
 * @throws ClawError exit `config`: `config-missing`, `config-unreadable`, `config-unsafe` (others may write to it), or
 *   `config-invalid` with all problems in one report
 */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const { file } = options;
  const opened = readConfigText(options);
  if (opened === null) return { config: {}, file: null, notes: [], warnings: [], source: 'none' };
  const { text, warnings: looseness } = opened;

  const cached = readCache(options, text);
  if (cached !== null)
    return { ...cached, file, notes: [...looseness, ...cached.notes], warnings: looseness, source: 'cache' };

  const { validateConfig, formatProblems } = await import('./validate.ts');
  const { config, problems, notes } = validateConfig(text);
  if (config === null) {
    const message = reportProblems(file, problems.length, formatProblems(problems));
    throw new ClawError('config', 'config-invalid', message, validateCommand(options));
  }
  await writeCache(options, { text, config, notes });
  return { config, file, notes: [...looseness, ...notes], warnings: looseness, source: 'file' };
}

/** `file: 2 problems`, and each of them on a line of its own. */
export function reportProblems(file: string, count: number, problems: string): string {
  return `${file}: ${count === 1 ? '1 problem' : `${count} problems`}\n${problems.replace(/^/gm, '  ')}`;
}

/**
 * The text of the config file, once it is known that nobody else could have written it.
 * @returns null: there is no file, and none was asked for
 * @throws ClawError as `loadConfig` does, but for `config-invalid`
 */
export function readConfigText(
  options: Pick<LoadConfigOptions, 'file' | 'explicit' | 'uid'>,
): { text: string; warnings: string[] } | null {
  const opened = readOwned(options);
  if (opened === null) return null;
  const warnings = options.uid === undefined ? [] : checkSafety(options.file, opened.stat, options.uid);
  return { text: opened.text, warnings };
}

/** Text and status of one and the same open file, so that what is checked is what is read. Null: no file, none asked for. */
function readOwned({
  file,
  explicit,
}: Pick<LoadConfigOptions, 'file' | 'explicit'>): { text: string; stat: fs.Stats } | null {
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(file, 'r');
    return { stat: fs.fstatSync(descriptor), text: fs.readFileSync(descriptor, 'utf8') };
  } catch (error) {
    const code = codeOf(error);
    if (['EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'EINTR', 'EAGAIN', 'ESTALE'].includes(code)) {
      // Trouble of the moment, not a wrong configuration: a mail filter shall try again, not bounce.
      throw new ClawError(
        'tempfail',
        'config-unreadable',
        `${file} cannot be read now: ${code}`,
        'try again',
        { cause: error },
      );
    }
    if (code !== 'ENOENT') {
      throw new ClawError(
        'config',
        'config-unreadable',
        `${file} cannot be read: ${code}`,
        `ls -l ${quoted(file)}`,
        {
          cause: error,
        },
      );
    }
    if (!explicit) return null;
    throw new ClawError('config', 'config-missing', `${file} does not exist`, 'claw init', { cause: error });
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

/** Refuses a file that others own or may write to; returns a note where its group may. */
function checkSafety(file: string, stat: fs.Stats, uid: number): string[] {
  if (stat.uid !== uid && stat.uid !== 0) {
    throw new ClawError(
      'config',
      'config-unsafe',
      `${file} belongs to user ${stat.uid}, who could make claw run any command`,
      `read it, then: chown ${uid} ${quoted(file)}`,
    );
  }
  if ((stat.mode & 0o002) !== 0) {
    throw new ClawError(
      'config',
      'config-unsafe',
      `${file} can be written by everybody (mode ${octal(stat.mode)}), who could make claw run any command`,
      `read it, then: chmod go-w ${quoted(file)}`,
    );
  }
  if ((stat.mode & 0o020) === 0) return [];
  return [`${file} can be written by its group (mode ${octal(stat.mode)}); chmod go-w ${quoted(file)}`];
}

interface CacheContent {
  version: string;
  text: string;
  config: ConfigInput;
  notes: string[];
}

/** chown(2): leave the group as it is */
const KEEP_GROUP = -1;

function cacheFile(home: string): string {
  return path.join(home, 'cache', 'config.json');
}

/** What an earlier start found out about this very text; null when nothing trustworthy is kept. */
function readCache(
  { home, version, uid }: LoadConfigOptions,
  text: string,
): Pick<CacheContent, 'config' | 'notes'> | null {
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(cacheFile(home), 'r');
    const stat = fs.fstatSync(descriptor);
    if (uid !== undefined && (stat.uid !== uid || (stat.mode & 0o022) !== 0)) return null;
    const content: unknown = JSON.parse(fs.readFileSync(descriptor, 'utf8'));
    if (!isCacheContent(content) || content.version !== version || content.text !== text) return null;
    return { config: content.config, notes: content.notes };
  } catch {
    // A cache that cannot be used for whatever reason is no cache; the file it stands for is read instead.
    return null;
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

function isCacheContent(value: unknown): value is CacheContent {
  if (typeof value !== 'object' || value === null) return false;
  const { version, text, config, notes } = value as Partial<Record<keyof CacheContent, unknown>>;
  const isConfig = typeof config === 'object' && config !== null && !Array.isArray(config);
  return typeof version === 'string' && typeof text === 'string' && isConfig && Array.isArray(notes);
}

/** Best effort: on a full disk or a read-only home the next start is 40 ms slower, and that is all. */
async function writeCache(
  { home, version, uid }: LoadConfigOptions,
  content: Omit<CacheContent, 'version'>,
): Promise<void> {
  try {
    fs.mkdirSync(path.dirname(cacheFile(home)), { mode: 0o700 });
  } catch (error) {
    // Without a home (ENOENT) nothing is made: a command that only reads leaves no traces outside `cache/`.
    if (codeOf(error) !== 'EEXIST') return;
  }
  try {
    const { default: writeFileAtomic } = await import('write-file-atomic');
    const cached: CacheContent = { version, ...content };
    // Not synced: after a power cut a torn cache fails its check and is written again. The owner is given, or that of
    // the file before (which may not have been ours) would be taken over.
    await writeFileAtomic(cacheFile(home), JSON.stringify(cached), {
      mode: 0o600,
      fsync: false,
      ...(uid === undefined ? {} : { chown: { uid, gid: KEEP_GROUP } }),
    });
  } catch {
    // As above.
  }
}

function validateCommand({ file, explicit }: LoadConfigOptions): string {
  return explicit ? `claw config validate --config ${quoted(file)}` : 'claw config validate';
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0');
}

/** For a shell, so that a hint can be pasted. */
export function quoted(file: string): string {
  return /^[\w@%+=:,./-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? String(error);
}
