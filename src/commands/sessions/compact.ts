import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { tokenCount } from '../../core/display/count.ts';
import { EXIT } from '../../core/errors.ts';
import { readNamedKey } from '../../core/routing/route.ts';
import { splitKey } from '../../core/routing/session-key.ts';
import { compactNow } from '../../runner/compact-now.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { endedBySignals } from '../heartbeat/run.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { waitOption } from '../wait-option.ts';

export class SessionsCompactCommand extends ClawCommand {
  static override paths = [['sessions', 'compact']];
  static override usage = Command.Usage({
    description:
      'Have the agent of a session summarise its older turns: from then on it is sent the summary and the newest turns. The transcript stays whole.',
    examples: [
      ['The main session', 'claw sessions compact main'],
      [
        'With what matters, waiting for the running turn',
        'claw sessions compact main "keep the decisions about the move" --wait 60',
      ],
    ],
  });

  name = Option.String({ name: 'key' });
  given = Option.String({ name: 'instructions', required: false });
  instructions = Option.String('--instructions', { hidden: true });
  wait = Option.String('--wait', { description: 'seconds to wait for a running turn; default 0' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'sessions compact');
    const desk = await openDesk(context);
    const waitMs = waitOption(this.wait, 'claw sessions compact') ?? 0;
    const key = readNamedKey(this.name, desk.config);
    const place = { agentId: splitKey(key)?.agentId ?? '', key };
    const instructions = (this.given ?? this.instructions ?? '').trim();
    const report = await compactNow(desk, place, { waitMs, instructions, signal: endedBySignals().signal });
    // What the summary stands for is told with its place: a file that is there, with every line it had.
    const transcript = desk.layout.transcript(splitKey(report.sessionKey)?.agentId ?? '', report.sessionId);
    if (this.json) printJson({ ...report, transcript });
    else if (!report.changed) printOut(`Nothing to compact in ${report.sessionKey}: ${report.reason}\n`);
    else if (report.byProgram) {
      const { tokensBefore, tokensAfter } = report;
      const sizes =
        tokensBefore === null
          ? ''
          : `: ${tokenCount(tokensBefore)} -> ${tokenCount(tokensAfter ?? 0)} tokens`;
      printOut(`Compacted ${report.sessionKey} by the agent's program${tokensAfter === null ? '' : sizes}\n`);
    } else {
      const { turnsRemoved, turnsKept, tokensBefore, tokensAfter, summary } = report;
      printOut(
        `Compacted ${report.sessionKey}: ${turnsRemoved} turns summarised, ${turnsKept} kept, ${tokenCount(tokensBefore ?? 0)} -> ${tokenCount(tokensAfter ?? 0)} tokens (estimated). Every message stays in ${transcript}\n\n${summary ?? ''}\n`,
      );
    }
    return EXIT.ok;
  }
}
