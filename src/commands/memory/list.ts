import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { PRIVATE_FILE } from '../../core/memory/rule.ts';
import { workspaceOf } from '../../runner/judge.ts';
import { listMemory, readNotes } from '../../store/memory-files.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { isoTime, printable } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { readableBy, tellProblems } from './place.ts';

export class MemoryListCommand extends ClawCommand {
  static override paths = [['memory', 'list']];
  static override usage = Command.Usage({
    description: 'The files of an agent that hold notes, the newest first.',
    examples: [['Of the default agent', 'claw memory list']],
  });

  agent = Option.String('--agent', { description: 'agent; default: the default agent' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const { agentId, access } = readableBy(desk, this.agent);
    const workspace = workspaceOf(desk, agentId);
    const { files, problems } = listMemory(workspace);
    const rows = files
      .filter(({ name }) => access === 'all' || name !== PRIVATE_FILE)
      .map(file => {
        const { name, day, stat } = file;
        let notes: number | null = null;
        try {
          const read = readNotes(file);
          notes = read.notes.length;
          if (read.problem !== undefined) problems.push({ name, reason: read.problem });
        } catch (error) {
          problems.push({ name, reason: (error as NodeJS.ErrnoException).code ?? (error as Error).message });
        }
        return { file: name, day: day ?? null, notes, bytes: stat.size, updatedAt: isoTime(stat.mtimeMs) };
      });
    const notes = rows.reduce((sum, row) => sum + (row.notes ?? 0), 0);
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    if (this.json) printJson({ agentId, workspace, count: rows.length, notes, bytes, files: rows });
    else if (rows.length === 0) printOut(`No notes yet in ${printable(workspace)}.\n`);
    else
      printOut(rows.map(row => `${printable(row.file)}  ${told(row.notes)}, ${row.bytes} bytes\n`).join(''));
    tellProblems(problems, text => this.warn(text));
    return problems.length > 0 ? EXIT.data : EXIT.ok;
  }
}

function told(notes: number | null): string {
  if (notes === null) return 'unreadable';
  return notes === 1 ? '1 note' : `${notes} notes`;
}
