import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { dayOf, localTimeAt, type Zone } from '../../core/schedule/zone.ts';
import { snippetOf } from '../../core/search/query.ts';
import { searchNotes, searchQuery } from '../../runner/retrieve.ts';
import type { FoundNote } from '../../store/memory-index.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printable } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { numberOption } from '../sessions/list.ts';
import { readableBy, tellProblems } from './place.ts';

const DEFAULT_LIMIT = 20;

export class MemorySearchCommand extends ClawCommand {
  static override paths = [['memory', 'search']];
  static override usage = Command.Usage({
    description: 'Find notes of an agent by their words, the best first.',
    details:
      'A note need not hold every word; those that hold more of them, and rarer ones, come first. Case and accents do not matter; a word also matches as the beginning of another, and with a typing error.',
    examples: [['By two words', 'claw memory search spare key']],
  });

  words = Option.Rest({ name: 'words', required: 1 });
  agent = Option.String('--agent', { description: 'agent; default: the default agent' });
  limit = Option.String('--limit', { description: `at most so many notes (${DEFAULT_LIMIT})` });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const { agentId, access } = readableBy(desk, this.agent);
    const limit = Math.floor(numberOption('--limit', this.limit, 'memory search') ?? DEFAULT_LIMIT);
    const query = searchQuery(this.words.join(' '), limit, access);
    if (query.terms.length === 0)
      throw new ClawError('usage', 'usage', 'there is nothing to look for', 'claw memory search WORD');
    const { found, total, problems } = searchNotes(desk, agentId, query);
    const results = found.map(each => resultOf(each, desk.zone));
    if (this.json) {
      const { terms } = query;
      printJson({ query: this.words.join(' '), terms, agentId, count: results.length, total, results });
    } else if (results.length === 0) {
      printOut('No note holds any of that.\n');
    } else {
      const more =
        total > results.length
          ? `\n${total - results.length} more: claw memory search --limit ${total} …\n`
          : '';
      const lines = results.map(
        ({ file, line, date, excerpt }) => `${printable(file)}:${line}  ${date}\n  ${printable(excerpt)}\n`,
      );
      printOut(`${lines.join('\n')}${more}`);
    }
    tellProblems(problems, text => this.warn(text));
    return problems.length > 0 ? EXIT.data : EXIT.ok;
  }
}

/** The day a note was taken, as far as it or its file says; else the day, in the user's zone, its file was last changed. */
function resultOf({ file, line, day, at, text, score, words, path }: FoundNote, zone: Zone) {
  const date = day ?? dayOf(localTimeAt(zone, at));
  const { text: excerpt, marks } = snippetOf(text, { terms: [...new Set(words)] });
  return { file, line, date, score: Number(score.toFixed(4)), excerpt, marks, path };
}
