import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { readNamedKey } from '../../core/routing/route.ts';
import { slug } from '../../core/routing/slug.ts';
import { parseDuration, parseWhen } from '../../core/schedule/duration.ts';
import { localTimeAt } from '../../core/schedule/zone.ts';
import { parseQuery } from '../../core/search/query.ts';
import type { Desk } from '../../runner/desk.ts';
import { type SearchResult, searchSessions } from '../../runner/search.ts';
import type { Problem } from '../../store/search-index.ts';
import { listAgents } from '../../store/sessions.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { keepMemoryFlat } from '../flat-memory.ts';
import { printable } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { numberOption } from './list.ts';
import { scopeField, scopeLine, visibleTo } from './visible.ts';

const DEFAULT_LIMIT = 20;
/** Unreadable lines told one by one. */
const TOLD_PROBLEMS = 100;

export class SessionsSearchCommand extends ClawCommand {
  static override paths = [['sessions', 'search']];
  static override usage = Command.Usage({
    description: 'Find text in all transcripts, current and archived, newest first.',
    details:
      'Every word, and every phrase in double quotes, must stand in one and the same message. Case, accents and line breaks do not matter; parts of words count.',
    examples: [
      ['Both words in one message', 'claw sessions search dentist friday'],
      [
        'A phrase, in what people wrote this week',
        `claw sessions search '"green tea"' --role user --since 7d`,
      ],
    ],
  });

  words = Option.Rest({ name: 'query', required: 1 });
  agent = Option.String('--agent', { description: 'only this agent' });
  channel = Option.String('--channel', { description: 'only what came in over, or answered, this channel' });
  key = Option.String('--key', { description: 'only this session, with its archived transcripts' });
  role = Option.String('--role', { description: 'user or assistant' });
  since = Option.String('--since', { description: 'only this far back: 7d, or a time' });
  limit = Option.String('--limit', { description: `at most so many results (${DEFAULT_LIMIT})` });

  override async run(context: Context): Promise<number> {
    keepMemoryFlat();
    const desk = await openDesk(context, { anyConfig: true });
    const query = parseQuery(this.words.join(' '));
    if (query === null) throw usage('there is nothing to look for', 'claw sessions search WORD');
    const { role } = this;
    if (role !== undefined && role !== 'user' && role !== 'assistant')
      throw usage(`--role ${role}: expected user or assistant`);
    const agentId = this.agent === undefined ? undefined : slug(this.agent) || defaultAgentId(desk.config);
    const found = searchSessions(desk, {
      query,
      agentIds: agentId === undefined ? listAgents(desk.layout) : [agentId],
      limit: Math.floor(numberOption('--limit', this.limit, 'sessions search') ?? DEFAULT_LIMIT),
      maySee: visibleTo(desk),
      ...(this.key === undefined ? {} : { sessionKey: readNamedKey(this.key, desk.config, agentId) }),
      ...(this.channel ? { channel: this.channel.trim().toLowerCase() } : {}),
      ...(role === undefined ? {} : { role }),
      ...(this.since === undefined ? {} : { since: sinceOption(this.since, desk) }),
    });
    const { results, hasMore, problems } = found;
    if (this.json)
      printJson({
        query: this.words.join(' '),
        terms: query.terms,
        count: results.length,
        hasMore,
        ...scopeField(desk),
        results,
      });
    else printOut(this.describe(results, hasMore, desk) + scopeLine(desk));
    this.tell(problems);
    return problems.length > 0 ? EXIT.data : EXIT.ok;
  }

  private describe(results: SearchResult[], hasMore: boolean, desk: Desk): string {
    if (results.length === 0) return hasMore ? '' : 'No message holds that.\n';
    const { NO_COLOR, TERM } = desk.context.env;
    const marked = fs.fstatSync(1).isCharacterDevice() && !NO_COLOR && TERM !== 'dumb';
    const blocks = results.map(result => {
      const speaker = result.from === null ? result.role : `${result.from} (${result.role})`;
      const place = `${result.sessionKey ?? '(no session key)'}  ${result.sessionId}${result.current ? '' : ' (archived)'}`;
      return `${localTime(result.at, desk)}  ${printable(speaker)}  ${printable(place)}\n  ${snippet(result, marked)}\n`;
    });
    const more = hasMore
      ? `\nThere are older ones: claw sessions search --limit ${results.length * 5} …\n`
      : '';
    return blocks.join('\n') + more;
  }

  private tell(problems: Problem[]): void {
    for (const { file, line, reason } of problems.slice(0, TOLD_PROBLEMS))
      this.warn(`${file}${line === null ? '' : `:${line}`}: ${reason}; not searched, left in place`);
    if (problems.length > TOLD_PROBLEMS)
      this.warn(`${problems.length - TOLD_PROBLEMS} more places cannot be read`);
  }
}

function usage(message: string, hint = 'claw sessions search --help'): ClawError {
  return new ClawError('usage', 'usage', message, hint);
}

/** A duration is so long ago; anything else is a time. */
function sinceOption(since: string, desk: Desk): number {
  const now = desk.context.now();
  const ago = parseDuration(since);
  if (ago !== null) return now - ago;
  const when = parseWhen(since, { now, zone: desk.zone });
  if (!when.ok) throw usage(`--since ${since}: ${when.problem}`, 'use a duration, such as 7d, or ISO 8601');
  return when.at;
}

function localTime(at: string | null, desk: Desk): string {
  if (at === null) return '(no time)';
  const { year, month, day, hour, minute } = localTimeAt(desk.zone, Date.parse(at));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}`;
}

/** One line, with the matches in bold where a person looks at a terminal. */
function snippet({ snippet: text, marks }: SearchResult, marked: boolean): string {
  let line = '';
  let done = 0;
  for (const [start, end] of marked ? marks : []) {
    line += `${printable(text.slice(done, start))}\u001b[1m${printable(text.slice(start, end))}\u001b[22m`;
    done = end;
  }
  return line + printable(text.slice(done));
}
