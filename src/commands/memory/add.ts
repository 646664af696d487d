import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { ConfigInput } from '../../config/schema.ts';
import { secretsWithin } from '../../config/secrets.ts';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { maskValues } from '../../core/secret.ts';
import { addNote, type NoteTarget } from '../../runner/remember.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { decodeText, MAX_BYTES, readInput, tooLarge } from '../input.ts';
import { printJson, printOut } from '../output.ts';
import { ownerOf } from './place.ts';

export class MemoryAddCommand extends ClawCommand {
  static override paths = [['memory', 'add']];
  static override usage = Command.Usage({
    description: 'Add a dated note to what an agent remembers.',
    details:
      'The note goes behind what stands in memory/YYYY-MM-DD.md of its workspace, or in MEMORY.md. Nothing that is there is changed, and it is on the disk when the command ends.',
    examples: [
      ['For today', 'claw memory add "The plumber comes on Friday at ten."'],
      ['To be kept for good', 'claw memory add --to MEMORY.md "The cat is called Minka."'],
      ['From a program', 'git log -1 --format=%s | claw memory add --agent ops'],
    ],
  });

  words = Option.Rest({ name: 'text' });
  agent = Option.String('--agent', { description: 'agent; default: the default agent' });
  to = Option.String('--to', 'today', {
    description: 'today (default): the file of the day; MEMORY.md: lasting notes, for the private session',
  });

  override async run(context: Context): Promise<number> {
    const to = this.target();
    const desk = await openDesk(context, { log: 'memory add' });
    const { agentId, viewer, access } = ownerOf(desk, this.agent);
    // What somebody else says in his conversation is no lasting truth about the owner.
    if (to === 'MEMORY.md' && access !== 'all') {
      throw new ClawError(
        'noPermission',
        'notes-are-private',
        `MEMORY.md is of the private session, not of ${JSON.stringify(viewer?.key)}`,
        'claw memory add --to today',
      );
    }
    const text = await this.readText(desk.config);
    const from = viewer === null || access === 'all' ? undefined : viewer.key;
    // What an agent was talked into writing down goes to its model with later turns.
    const safe = viewer === null ? text : maskValues(text, secretsWithin(desk.config, context.env));
    const added = await addNote(desk, agentId, { text: safe, to, from }, context.now());
    if (this.json) printJson({ agentId, file: added.name, line: added.line, path: added.path });
    else printOut(`Noted in ${added.name}, line ${added.line}.\n`);
    return EXIT.ok;
  }

  private target(): NoteTarget {
    if (this.to === 'today' || this.to === 'MEMORY.md') return this.to;
    throw usage(`--to ${this.to}: expected today or MEMORY.md`);
  }

  private async readText(config: ConfigInput): Promise<string> {
    const limit = config.messages?.maxBytes ?? MAX_BYTES;
    if (this.words.length === 0 && fs.fstatSync(0).isCharacterDevice() && process.stdin.isTTY)
      throw usage('there is no text: give it as an argument, or on standard input');
    const text = this.words.length > 0 ? this.words.join(' ') : decodeText(await readInput(limit));
    if (Buffer.byteLength(text) > limit) throw tooLarge(limit);
    if (text.trim() === '') throw usage('the text is blank');
    if (text.includes('\0'))
      throw new ClawError('data', 'not-text', 'the text holds NUL bytes', 'give the text alone');
    return text;
  }
}

function usage(message: string): ClawError {
  return new ClawError('usage', 'usage', message, 'claw memory add --help');
}
