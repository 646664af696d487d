import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { EXIT } from '../core/errors.ts';
import { splitKey } from '../core/routing/session-key.ts';
import { eventOf, type LoggedEvent } from '../core/session/log-line.ts';
import { type Entry, isResetEntry } from '../core/session/transcript.ts';
import type { Desk } from '../runner/desk.ts';
import { follow } from '../runner/follow.ts';
import { lineNumber, parseLine, readBackward } from '../store/jsonl-file.ts';
import { type LogLine, lastLogLines, logFile, readLogLine } from '../store/log.ts';
import { ClawCommand } from './base.ts';
import { openDesk } from './desk.ts';
import { type Paint, painter, printable, printableLines, type Style } from './format.ts';
import { isOperator } from './operator.ts';
import { printJson, printOut } from './output.ts';
import { findSession } from './sessions/find.ts';
import { numberOption } from './sessions/list.ts';
import { visibleTo } from './sessions/visible.ts';

const DEFAULT_LIMIT = 50;
/** Of a text at most so many characters and lines; `sessions history` has them all. */
const LONGEST_TEXT = 600;
const MOST_LINES = 8;

export class LogsCommand extends ClawCommand {
  static override paths = [['logs']];
  static override usage = Command.Usage({
    description:
      'What claw had to warn of; with --session everything that happened in a session. --follow --json prints NDJSON.',
    examples: [
      ['What went wrong lately', 'claw logs'],
      ['Watch a session', 'claw logs --session main --follow'],
    ],
  });

  session = Option.String('--session', { description: 'the log of this session (key or id)' });
  follow = Option.Boolean('--follow,-f', false, { description: 'go on as lines are added; Ctrl-C ends it' });
  limit = Option.String('--limit', {
    description: `begin with the newest N lines; default ${DEFAULT_LIMIT}`,
  });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const limit = numberOption('--limit', this.limit, 'logs') ?? DEFAULT_LIMIT;
    const paint = painter(context.env);
    return this.session === undefined
      ? this.ownLog(desk, limit, paint)
      : this.sessionLog(desk, this.session, limit, paint);
  }

  private async ownLog(desk: Desk, limit: number, paint: Paint): Promise<number> {
    const file = logFile(desk.layout, desk.config);
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    const isShown = shownTo(desk);
    const lines = lastLogLines(file, limit, isShown);
    if (!this.follow) {
      if (this.json) printJson({ file, count: lines.length, lines });
      else printOut(lines.map(line => logText(line, paint)).join('') || 'Nothing was logged.\n');
      return EXIT.ok;
    }
    const show = (line: LogLine) => printOut(this.json ? `${JSON.stringify(line)}\n` : logText(line, paint));
    if (!lines.every(show)) return EXIT.ok;
    return untilInterrupted(signal =>
      follow({
        file,
        from: stat?.size ?? 0,
        inode: stat?.ino,
        signal,
        onLine: bytes => {
          const line = readLogLine(bytes);
          return line === null || !isShown(line) || show(line) ? undefined : 'stop';
        },
      }),
    );
  }

  private async sessionLog(desk: Desk, name: string, limit: number, paint: Paint): Promise<number> {
    const { agentId, sessionId, record } = findSession(desk, name);
    const file = desk.layout.transcript(agentId, sessionId);
    const { entries, bad, end } = newest(file, limit);
    const complain = () => {
      for (const { offset, reason } of bad)
        this.warn(`${file}:${lineNumber(file, offset)}: ${reason}; the line is left in place`);
    };
    if (!this.follow) {
      if (this.json)
        printJson({ sessionId, sessionKey: record?.key ?? null, file, count: entries.length, entries });
      else
        printOut(
          entries.map(entry => eventText(eventOf(entry), paint)).join('') || 'Nothing happened yet.\n',
        );
      complain();
      return EXIT.ok;
    }
    const show = (entry: Entry) =>
      printOut(this.json ? `${JSON.stringify(entry)}\n` : eventText(eventOf(entry), paint));
    if (!entries.every(show)) return EXIT.ok;
    complain();
    // An archived transcript names the one that follows it in its last line.
    const last = entries.at(-1);
    const moved = last && isResetEntry(last) ? last.nextSessionId : null;
    return untilInterrupted(signal =>
      follow({
        file: moved === null ? file : desk.layout.transcript(agentId, moved),
        from: moved === null ? end : 0,
        signal,
        onLine: bytes => {
          const entry = parseLine(bytes);
          // Torn or foreign: whoever reads the whole transcript reports it.
          if (typeof entry === 'string') return undefined;
          if (!show(entry)) return 'stop';
          return isResetEntry(entry)
            ? { file: desk.layout.transcript(agentId, entry.nextSessionId) }
            : undefined;
        },
      }),
    );
  }
}

/** An agent sees what was logged of the sessions it may see; what names no session is the operator's. */
function shownTo(desk: Desk): (line: LogLine) => boolean {
  if (isOperator(desk.context)) return () => true;
  const maySee = visibleTo(desk);
  return ({ sessionKey: key }) => key !== undefined && maySee(splitKey(key)?.agentId ?? '', key);
}

/** Ctrl-C ends with 130, as a shell says it of any program; SIGTERM and a closed terminal end it as usual. */
async function untilInterrupted(step: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const control = new AbortController();
  process.once('SIGINT', () => control.abort());
  await step(control.signal);
  return control.signal.aborted ? 130 : EXIT.ok;
}

/** The newest entries, oldest first, unusable lines among them, and where the last whole line ends. */
function newest(
  file: string,
  limit: number,
): { entries: Entry[]; bad: { offset: number; reason: string }[]; end: number } {
  const entries: Entry[] = [];
  const bad: { offset: number; reason: string }[] = [];
  let end = 0;
  if (!fs.existsSync(file)) return { entries, bad, end };
  const size = sizeOf(file);
  for (const { offset, bytes } of readBackward(file, size)) {
    const terminated = offset + bytes.length < size;
    if (terminated) end = Math.max(end, offset + bytes.length + 1);
    if (entries.length >= limit) break;
    const value = parseLine(bytes);
    // A last line without its end is being written just now, or is torn.
    if (!terminated) continue;
    if (typeof value === 'string') bad.push({ offset, reason: value });
    else entries.push(value);
  }
  return { entries: entries.reverse(), bad: bad.reverse(), end };
}

function sizeOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

const LEVELS: Record<LogLine['level'], Style> = {
  error: 'bad',
  warn: 'doubtful',
  info: 'quiet',
  debug: 'quiet',
};

function logText({ at, level, command, message, sessionKey }: LogLine, paint: Paint): string {
  const about = sessionKey === undefined ? '' : ` ${printable(sessionKey)}:`;
  return `${paint('quiet', printable(at))}  ${paint(LEVELS[level], level.padEnd(5))}  ${printable(command)}:${about} ${indent(printableLines(message))}\n`;
}

const EVENTS: Partial<Record<LoggedEvent['what'], Style>> = { in: 'strong', out: 'good', reset: 'doubtful' };

function eventText({ at, what, text, failed }: LoggedEvent, paint: Paint): string {
  const time = at === null ? '-'.padEnd(24) : isoOf(at);
  const style = failed ? 'bad' : (EVENTS[what] ?? 'quiet');
  return `${paint('quiet', time)}  ${paint(style, what.padEnd(7))}  ${indent(printableLines(shorten(text)))}\n`;
}

function isoOf(at: number): string {
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : '-'.padEnd(24);
}

function shorten(text: string): string {
  const lines = text.trimEnd().split('\n');
  const some = lines.slice(0, MOST_LINES).join('\n');
  if (some.length > LONGEST_TEXT)
    return `${some.slice(0, LONGEST_TEXT).replace(/\p{Surrogate}$/u, '')}… (${text.length} characters)`;
  return lines.length > MOST_LINES ? `${some}\n… (${lines.length} lines)` : some;
}

function indent(text: string): string {
  return text.replaceAll('\n', `\n${' '.repeat(10)}`);
}
