import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { agentIds, defaultAgentId } from '../../core/routing/binding.ts';
import { slug } from '../../core/routing/slug.ts';
import type { Desk } from '../../runner/desk.ts';
import { listAgents } from '../../store/sessions.ts';
import { ClawCommand } from '../base.ts';
import { countOption } from '../count-option.ts';
import { openDesk } from '../desk.ts';
import { age, table, terminalWidth, tokens } from '../format.ts';
import { printJsonRows, printOut } from '../output.ts';
import { timeOption } from '../time-option.ts';
import { KINDS, type RowFilter, type SessionRow, sessionRows } from './rows.ts';
import { scopeField, scopeLine } from './visible.ts';

export class SessionsListCommand extends ClawCommand {
  static override paths = [['sessions', 'list']];
  static override usage = Command.Usage({
    description: 'List sessions, newest first, with ages and token use; or archived transcripts.',
    examples: [
      ['Active in the last hour', 'claw sessions --active 60'],
      ['For a script', 'claw sessions --json'],
      ['What resets have archived, with its first line', 'claw sessions list --archived'],
    ],
  });

  active = Option.String('--active', {
    description: 'only sessions active within this many minutes (with --archived: archived within them)',
  });
  agent = Option.String('--agent', { description: 'only this agent' });
  allAgents = Option.Boolean('--all-agents', false, {
    description: 'every agent (also the default when --agent is absent)',
  });
  channel = Option.String('--channel', { description: 'only this channel' });
  kind = Option.String('--kind', { description: KINDS.join(', ') });
  limit = Option.String('--limit', { description: 'at most this many rows' });
  search = Option.String('--search', {
    description: 'only where key, session id, label or display name holds this text',
  });
  archived = Option.Boolean('--archived', false, {
    description:
      'transcripts that no session points to any more; MESSAGES is ? where counting would mean reading a large one whole',
  });
  at = Option.String('--at', { description: 'ages as of this time' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const now = timeOption(this.at, desk);
    const activeMinutes = countOption('--active', this.active, 'sessions list');
    const limit = countOption('--limit', this.limit, 'sessions list');
    const filter: RowFilter = {
      ...(this.agent && !this.allAgents ? { agentId: agentNamed(desk, this.agent) } : {}),
      ...(activeMinutes === undefined ? {} : { activeMinutes }),
      ...(this.channel ? { channel: this.channel.trim().toLowerCase() } : {}),
      ...(this.kind ? { kind: kindNamed(this.kind) } : {}),
      ...(this.search ? { search: this.search } : {}),
    };
    if (this.archived) {
      const { listArchived } = await import('./archived.ts');
      return listArchived(desk, filter, { now, limit, json: this.json, warn: text => this.warn(text) });
    }
    const { rows, problems, total } = sessionRows(desk, filter, now);
    const shown = limit === undefined ? rows : rows.slice(0, limit);
    if (this.json) {
      const head = {
        path: desk.layout.agents(),
        count: shown.length,
        totalCount: rows.length,
        hasMore: shown.length < rows.length,
        activeMinutes: activeMinutes ?? null,
        ...scopeField(desk),
      };
      printJsonRows(head, 'sessions', shown);
    } else if (shown.length > 0) printOut(sessionTable(shown) + scopeLine(desk));
    else
      printOut(
        `No sessions${total > 0 || activeMinutes ? ' that match' : ` yet in ${desk.layout.agents()}`}.\n${scopeLine(desk)}`,
      );
    for (const { file, reason } of problems)
      this.warn(`${file}: ${reason}; it is left in place (claw doctor --fix)`);
    return problems.length > 0 ? EXIT.data : EXIT.ok;
  }
}

/** A column of names only where a session has one. */
function sessionTable(rows: SessionRow[]): string {
  const isNamed = rows.some(row => nameOf(row) !== '');
  const named = (name: string) => (isNamed ? [name] : []);
  return table(
    ['KEY', ...named('NAME'), 'KIND', 'AGE', 'MESSAGES', 'MODEL', 'TOKENS'],
    rows.map(row => [
      row.key,
      ...named(nameOf(row)),
      row.kind,
      age(row.ageMs),
      String(row.messageCount),
      row.model ?? '-',
      tokens(row.usedTokens, row.contextTokens),
    ]),
    terminalWidth(),
    { whole: ['KEY', 'TOKENS'], giving: ['MODEL', 'NAME'] },
  );
}

/** What people call it. */
function nameOf({ label, displayName }: SessionRow): string {
  return label ?? displayName ?? '';
}

/** An agent that is neither configured nor has state is a slip of the pen; an empty list would hide it. */
function agentNamed(desk: Desk, name: string): string {
  const agentId = slug(name) || defaultAgentId(desk.config);
  const known = [...agentIds(desk.config), ...listAgents(desk.layout)];
  if (known.includes(agentId)) return agentId;
  throw new ClawError(
    'usage',
    'agent-unknown',
    `--agent ${name}: there is no such agent; known are ${[...new Set(known)].join(', ')}`,
    'claw sessions list --all-agents',
  );
}

function kindNamed(name: string): string {
  const kind = name.trim().toLowerCase();
  if (KINDS.includes(kind)) return kind;
  throw new ClawError(
    'usage',
    'usage',
    `--kind ${name}: expected one of ${KINDS.join(', ')}`,
    'claw sessions list --help',
  );
}

/** A number given as an option. @throws ClawError usage */
export function numberOption(name: string, value: string | undefined, command: string): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number) || number < 0) {
    throw new ClawError(
      'usage',
      'usage',
      `${name} ${value}: expected a number that is not negative`,
      `claw ${command} --help`,
    );
  }
  return number;
}
