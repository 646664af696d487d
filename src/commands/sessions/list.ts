import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { slug } from '../../core/routing/slug.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { age, table, tokens } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { timeOption } from '../time-option.ts';
import { sessionRows } from './rows.ts';

export class SessionsListCommand extends ClawCommand {
  static override paths = [['sessions', 'list']];
  static override usage = Command.Usage({
    description: 'List sessions, newest first, with ages and token use.',
    examples: [
      ['Active in the last hour', 'claw sessions --active 60'],
      ['For a script', 'claw sessions --json'],
    ],
  });

  active = Option.String('--active', { description: 'only sessions active within this many minutes' });
  agent = Option.String('--agent', { description: 'only this agent' });
  allAgents = Option.Boolean('--all-agents', false, {
    description: 'every agent (also the default when --agent is absent)',
  });
  channel = Option.String('--channel', { description: 'only this channel' });
  kind = Option.String('--kind', {
    description: 'main, dm, group, channel, thread, cron, subagent or global',
  });
  limit = Option.String('--limit', { description: 'at most this many rows' });
  at = Option.String('--at', { description: 'ages as of this time' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const now = timeOption(this.at, desk);
    const activeMinutes = numberOption('--active', this.active);
    const limit = numberOption('--limit', this.limit);
    const filter = {
      ...(this.agent && !this.allAgents ? { agentId: slug(this.agent) || defaultAgentId(desk.config) } : {}),
      ...(activeMinutes === undefined ? {} : { activeMinutes }),
      ...(this.channel ? { channel: this.channel.trim().toLowerCase() } : {}),
      ...(this.kind ? { kind: this.kind } : {}),
    };
    const { rows, problems, total } = sessionRows(desk, filter, now);
    const shown = limit === undefined ? rows : rows.slice(0, limit);
    const read = this.json
      ? printJson({
          path: desk.layout.agents(),
          count: shown.length,
          totalCount: rows.length,
          hasMore: shown.length < rows.length,
          activeMinutes: activeMinutes ?? null,
          sessions: shown,
        })
      : printOut(
          shown.length > 0
            ? table(
                ['KEY', 'KIND', 'AGE', 'MESSAGES', 'MODEL', 'TOKENS'],
                shown.map(row => [
                  row.key,
                  row.kind,
                  age(row.ageMs),
                  String(row.messageCount),
                  row.model ?? '-',
                  tokens(Math.round((row.percentUsed * row.contextTokens) / 100), row.contextTokens),
                ]),
              )
            : `No sessions${total > 0 ? ' that match' : ` yet in ${desk.layout.agents()}`}.\n`,
        );
    void read;
    for (const { file, reason } of problems)
      this.warn(`${file}: ${reason}; it is left in place (claw doctor --fix)`);
    return problems.length > 0 ? EXIT.data : EXIT.ok;
  }
}

/** A number given as an option. @throws ClawError usage */
export function numberOption(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number) || number < 0) {
    throw new ClawError(
      'usage',
      'usage',
      `${name} ${value}: expected a number that is not negative`,
      'claw sessions --help',
    );
  }
  return number;
}
