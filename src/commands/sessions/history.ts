import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import {
  type AssistantEntry,
  isCommandEntry,
  roleOf,
  type UserEntry,
} from '../../core/session/transcript.ts';
import { lineNumber } from '../../store/jsonl-file.ts';
import { newestFirst } from '../../store/transcripts.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printable, printableLines } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { findSession } from './find.ts';
import { numberOption } from './list.ts';

/** One thing that was said. */
export interface SaidMessage {
  at: string;
  role: 'user' | 'assistant' | 'command' | 'tool';
  from: string | null;
  text: string;
}

export class SessionsHistoryCommand extends ClawCommand {
  static override paths = [['sessions', 'history']];
  static override usage = Command.Usage({
    description: 'What was said in a session (or in an archived transcript, by its id).',
    examples: [['The last ten messages', 'claw sessions history main --last 10']],
  });

  name = Option.String({ name: 'key-or-id' });
  last = Option.String('--last', { description: 'only the newest N messages' });
  tools = Option.Boolean('--tools', false, { description: 'tool calls too' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const found = findSession(desk, this.name);
    const file = desk.layout.transcript(found.agentId, found.sessionId);
    if (!fs.existsSync(file)) {
      throw new ClawError(
        'data',
        'transcript-missing',
        `${file} is gone; the next message begins a new session`,
        'claw sessions list',
      );
    }
    const bad: { offset: number; reason: string }[] = [];
    const messages = messagesOf(file, numberOption('--last', this.last), this.tools, (offset, reason) =>
      bad.push({ offset, reason }),
    );
    if (this.json)
      printJson({
        sessionId: found.sessionId,
        sessionKey: found.record?.key ?? null,
        count: messages.length,
        messages,
      });
    else
      printOut(
        messages
          .map(
            message =>
              `${message.at}  ${printable(message.from ?? message.role)}\n${indent(printableLines(message.text))}\n`,
          )
          .join('\n'),
      );
    for (const { offset, reason } of bad)
      this.warn(`${file}:${lineNumber(file, offset)}: ${reason}; the line is left in place`);
    return EXIT.ok;
  }
}

/** The newest messages of a transcript, oldest first; reads only as far back as asked. */
export function messagesOf(
  file: string,
  last: number | undefined,
  tools: boolean,
  onBad: (offset: number, reason: string) => void = () => undefined,
): SaidMessage[] {
  const messages: SaidMessage[] = [];
  for (const entry of newestFirst(file, onBad)) {
    if (last !== undefined && messages.length >= last) break;
    if (roleOf(entry) === 'user') {
      const user = entry as UserEntry;
      const from = user.origin?.fromName ?? user.origin?.from ?? null;
      messages.push({ at: iso(entry.timestamp), role: 'user', from, text: textOf(user.message.content) });
    } else if (roleOf(entry) === 'assistant') {
      const assistant = entry as AssistantEntry;
      messages.push({
        at: iso(entry.timestamp),
        role: 'assistant',
        from: null,
        text: textOf(assistant.message.content),
      });
    } else if (isCommandEntry(entry)) {
      messages.push({
        at: iso(entry.timestamp),
        role: 'command',
        from: entry.origin?.fromName ?? null,
        text: `${entry.text}\n→ ${entry.reply}`,
      });
    } else if (tools && entry.type === 'tool_call') {
      messages.push({ at: iso(entry.timestamp), role: 'tool', from: null, text: JSON.stringify(entry) });
    }
  }
  return messages.reverse();
}

/** Content is a string, or the parts of a message as other systems write them. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.flatMap(part => (typeof part?.text === 'string' ? [part.text] : [])).join('\n');
}

function iso(time: unknown): string {
  return typeof time === 'number' && Number.isFinite(time) ? new Date(time).toISOString() : '-';
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
