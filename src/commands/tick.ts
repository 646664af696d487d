import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { EXIT } from '../core/errors.ts';
import { idleReport } from '../runner/report.ts';
import { nextDueAt, planTick, stampTick, tick } from '../runner/tick.ts';
import { lookAround, noteIdle } from '../store/idle-notes.ts';
import { ClawCommand } from './base.ts';
import { openDesk } from './desk.ts';
import { requireOperator } from './operator.ts';
import { printJson, printOut } from './output.ts';
import { numberOption } from './sessions/list.ts';

export class TickCommand extends ClawCommand {
  static override paths = [['tick']];
  static override usage = Command.Usage({
    description: 'Finish what dead processes left, answer what waits, send what is in the outbox; then exit.',
    examples: [
      ['From a timer, once a minute', 'claw tick'],
      ['What would it do?', 'claw tick --dry-run'],
    ],
  });

  dryRun = Option.Boolean('--dry-run', false, { description: 'print the plan, change nothing' });
  max = Option.String('--max', { description: 'work at most this many sessions' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'tick');
    const seen = lookAround(context);
    const desk = await openDesk(context, this.dryRun ? {} : { log: 'tick' });
    if (this.dryRun) {
      const plan = planTick(desk);
      if (this.json) printJson(plan);
      else
        printOut(
          plan.sessions
            .map(
              ({ key, evidence }) =>
                `${key}  ${evidence === 'turn' ? 'an unfinished turn' : 'waiting messages'}\n`,
            )
            .join('') || 'Nothing to do.\n',
        );
      return EXIT.ok;
    }
    const control = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => control.abort());
    const max = numberOption('--max', this.max, 'tick');
    const report = await tick(desk, { signal: control.signal, ...(max === undefined ? {} : { max }) });
    const idle = control.signal.aborted ? null : idleReport(report);
    if (idle !== null) noteIdle(context, seen, nextDueAt(desk), idle);
    try {
      stampTick(desk);
    } catch (error) {
      this.warn(`the time of this tick could not be noted: ${(error as Error).message}`);
    }
    if (this.json) printJson(report);
    else {
      const failed = new Set(report.failed.map(({ sessionKey }) => sessionKey));
      for (const key of report.worked) printOut(`${key}  ${failed.has(key) ? 'failed' : 'done'}\n`);
      for (const id of report.delivery.sent) printOut(`delivery ${id}  sent\n`);
    }
    for (const { sessionKey, reason } of report.failed)
      this.warn(`${sessionKey}: ${reason}; the message is kept (claw inbox list)`);
    for (const { sessionKey, reason } of report.problems) this.warn(`${sessionKey}: ${reason}`);
    return report.problems.length > 0 ? EXIT.data : EXIT.ok;
  }
}
