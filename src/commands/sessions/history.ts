import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { dateTimeOf } from '../../core/export/day.ts';
import { compactAside, itemsOf } from '../../core/export/item.ts';
import { sayingOf, timeOf } from '../../core/session/saying.ts';
import type { Entry } from '../../core/session/transcript.ts';
import type { Desk } from '../../runner/desk.ts';
import { lineNumber, parseLine, readBackward } from '../../store/jsonl-file.ts';
import { streamEntries } from '../../store/transcript-lines.ts';
import { ClawCommand } from '../base.ts';
import { countOption } from '../count-option.ts';
import { openDesk } from '../desk.ts';
import { keepMemoryFlat } from '../flat-memory.ts';
import { printable, printableLines } from '../format.ts';
import { Outlet } from '../outlet.ts';
import { findSession } from './find.ts';

/** Unreadable lines told one by one. */
const TOLD = 100;

/** What is shown beside messages. */
export interface Wanted {
  commands: boolean;
  tools: boolean;
}

/** One thing that was said, or with `--tools` done; an event: the turn before it did not end well. */
export interface SaidMessage {
  at: string;
  role: 'user' | 'assistant' | 'command' | 'tool' | 'thinking' | 'event';
  from: string | null;
  text: string;
  /** what came with it, in words; absent: nothing */
  attachments?: string[];
}

export class SessionsHistoryCommand extends ClawCommand {
  static override paths = [['sessions', 'history']];
  static override usage = Command.Usage({
    description: 'What was said in a session (or in an archived transcript, by its id).',
    examples: [
      ['The last ten messages', 'claw sessions history main --last 10'],
      ['With what the agent did in between', 'claw sessions history main --tools'],
    ],
  });

  name = Option.String({ name: 'key-or-id' });
  last = Option.String('--last', { description: 'only the newest N messages' });
  tools = Option.Boolean('--tools', false, {
    description: 'commands, tool calls with their results, and thinking too',
  });
  commands = Option.Boolean('--commands', false, {
    description: 'what the chat commands were, and what they were answered, too',
  });

  override async run(context: Context): Promise<number> {
    keepMemoryFlat();
    const desk = await openDesk(context, { anyConfig: true });
    const found = findSession(desk, this.name);
    const file = desk.layout.transcript(found.agentId, found.sessionId);
    const about = { sessionId: found.sessionId, sessionKey: found.record?.key ?? null };
    if (!fs.existsSync(file) && found.record?.bytes === 0) {
      // It has begun (a reset did that) and nothing has been said in it.
      Outlet.stdout().writeAll(this.json ? asDocument(about, []) : []);
      const before = found.record.previousSessionId;
      this.warn(
        `nothing has been said in it yet${before ? `; what was said before: claw sessions history ${before}` : ''}`,
      );
      return EXIT.ok;
    }
    if (!fs.existsSync(file)) {
      throw new ClawError(
        'data',
        'transcript-missing',
        `${file} is gone; the next message begins a new session`,
        'claw sessions list',
      );
    }
    const last = countOption('--last', this.last, 'sessions history');
    const wanted: Wanted = { tools: this.tools, commands: this.commands || this.tools };
    const bad: { number: number; reason: string }[] = [];
    let badCount = 0;
    const messages = streamMessages(file, last, wanted, (number, reason) => {
      if (++badCount <= TOLD) bad.push({ number, reason });
    });
    Outlet.stdout().writeAll(this.json ? asDocument(about, messages) : asText(messages, desk));
    for (const { number, reason } of bad)
      this.warn(`${file}:${number}: ${reason}; the line is left in place`);
    if (badCount > TOLD) this.warn(`${badCount - TOLD} more lines of ${file} cannot be read`);
    return EXIT.ok;
  }
}

/** One JSON document in pieces: indented for a terminal, compact for a pipe. `count` is only known at the end. */
function* asDocument(about: object, messages: Iterable<SaidMessage>): Generator<string> {
  const indented = fs.fstatSync(1).isCharacterDevice();
  const [line, gap] = indented ? ['\n  ', ' '] : ['', ''];
  const start = JSON.stringify(about, null, indented ? 2 : 0).replace(/\n?\}$/, '');
  yield `${start},${line}"messages":${gap}[`;
  let count = 0;
  for (const message of messages) {
    // A program reads how turns ended in the transcript's own lines (`logs --json`).
    if (message.role === 'event') continue;
    const text = indented
      ? `\n${JSON.stringify(message, null, 2).replace(/^/gm, '    ')}`
      : JSON.stringify(message);
    yield `${count++ === 0 ? '' : ','}${text}`;
  }
  yield `${indented && count > 0 ? line : ''}],${line}"count":${gap}${count}${indented ? '\n' : ''}}\n`;
}

/** Speaker and local time, then the text, indented. */
function* asText(messages: Iterable<SaidMessage>, desk: Desk): Generator<string> {
  let isFirst = true;
  for (const { at, role, from, text, attachments = [] } of messages) {
    const time = at === '-' ? at : dateTimeOf(desk.zone, Date.parse(at));
    const isAside = role === 'tool' || role === 'thinking' || role === 'event';
    const attached = attachments.map(each => `  [attached: ${printable(each)}]\n`).join('');
    const words = text === '' && attached !== '' ? '' : `${indent(printableLines(text))}\n`;
    const said = isAside
      ? `${time}  [${printable(text)}]\n`
      : `${time}  ${printable(from ?? role)}\n${words}${attached}`;
    yield `${isFirst ? '' : '\n'}${said}`;
    isFirst = false;
  }
}

/**
 * Messages of a transcript, oldest first, as far as it reaches now. With `last` the end is gone through twice: backward
 * to find where the newest ones begin, then forward, so that no more than one of them is held at a time.
 *
 * @param onBad gets the number of a line that is no entry
 */
export function* streamMessages(
  file: string,
  last: number | undefined,
  wanted: Wanted,
  onBad: (number: number, reason: string) => void,
): Generator<SaidMessage> {
  const to = fs.statSync(file).size;
  const from = last === undefined ? 0 : startOfLast(file, to, last, wanted);
  // Counting lines means reading up to here, so it is done only for somebody who is told a number.
  let before: number | undefined;
  for (const { entry, number } of streamEntries(file, { from, to })) {
    if (typeof entry === 'string') {
      before ??= from === 0 ? 0 : lineNumber(file, from) - 1;
      onBad(before + number, entry);
    } else {
      const message = messageOf(entry, wanted);
      if (message !== null) yield message;
    }
  }
}

/** Offset of the line with which the newest so many messages begin. */
function startOfLast(file: string, to: number, last: number, wanted: Wanted): number {
  if (last < 1) return to;
  let count = 0;
  for (const line of readBackward(file, to)) {
    const entry = parseLine(line.bytes);
    const message = typeof entry === 'string' ? null : messageOf(entry, wanted);
    // How a turn ended belongs to its message; it counts for nothing by itself.
    if (message !== null && message.role !== 'event' && ++count >= last) return line.offset;
  }
  return 0;
}

function messageOf(entry: Entry, wanted: Wanted): SaidMessage | null {
  const saying = sayingOf(entry);
  if (saying !== null) {
    const { role, from, text, reply, attachments } = saying;
    if (role === 'command' && !wanted.commands) return null;
    return {
      at: iso(saying.at),
      role,
      from,
      text: reply === null ? text : `${text}\n→ ${reply}`,
      ...(attachments ? { attachments } : {}),
    };
  }
  if (entry.type === 'turn_end') {
    const [item] = itemsOf(entry);
    return item?.kind === 'event' ? { at: iso(item.at), role: 'event', from: null, text: item.text } : null;
  }
  const aside = wanted.tools ? compactAside(entry) : null;
  return aside && { at: iso(timeOf(entry)), role: aside.role, from: null, text: aside.text };
}

function iso(at: number | null): string {
  return at === null ? '-' : new Date(at).toISOString();
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
