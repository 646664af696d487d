import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { EXIT } from '../core/errors.ts';
import type { TickAction } from '../core/tick.ts';
import type { Desk } from '../runner/desk.ts';
import { idleReport, type TickReport } from '../runner/report.ts';
import { lookAhead, stampTick, tick } from '../runner/tick.ts';
import { lookAround, noteIdle } from '../store/idle-notes.ts';
import { holderOf, tokenState } from '../store/lock.ts';
import { ClawCommand } from './base.ts';
import { openDesk } from './desk.ts';
import { isoTime, printable } from './format.ts';
import { requireOperator } from './operator.ts';
import { printJson, printOut } from './output.ts';
import { numberOption } from './sessions/list.ts';

export class TickCommand extends ClawCommand {
  static override paths = [['tick']];
  static override usage = Command.Usage({
    description:
      'Do everything that is due: what dead processes left, waiting messages, daily resets, jobs, heartbeats, deliveries; then exit.',
    examples: [
      ['From a timer, once a minute', 'claw tick'],
      ['What would it do?', 'claw tick --dry-run'],
    ],
  });

  dryRun = Option.Boolean('--dry-run', false, { description: 'print the plan, change nothing' });
  max = Option.String('--max', { description: 'start at most this many agents' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'tick');
    const seen = lookAround(context);
    const desk = await openDesk(context, this.dryRun ? {} : { log: 'tick' });
    if (this.dryRun) return this.printPlan(desk);
    const control = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => control.abort());
    const max = numberOption('--max', this.max, 'tick');
    const done = await tick(desk, { signal: control.signal, ...(max === undefined ? {} : { max }) });
    const { report } = done;
    const idle = done.isIdle ? idleReport(report) : null;
    if (idle !== null) noteIdle(context, seen, done.nextDueAt, idle);
    try {
      stampTick(desk);
    } catch (error) {
      this.warn(`the time of this tick could not be noted: ${(error as Error).message}`);
    }
    if (this.json) printJson(report);
    else printOut(describe(report));
    for (const { sessionKey, reason } of report.failed)
      this.warn(`${sessionKey}: ${reason}; the message is kept (claw inbox list)`);
    for (const { jobId, status, error } of report.runs)
      if (error !== undefined) this.warn(printable(`job ${jobId}: ${status}: ${error}`));
    for (const { id, name, problem } of report.invalid)
      this.warn(`job ${id ?? name ?? '?'}: ${problem}; it is left in place (claw cron list)`);
    for (const { what, reason } of report.problems) this.warn(`${what}: ${reason}`);
    return report.problems.length > 0 ? EXIT.data : EXIT.ok;
  }

  private printPlan(desk: Desk): number {
    const { actions, nextDueAt, tasks } = lookAhead(desk);
    const plan = actions.map(action => ({ ...action, ...(isBusy(desk, action) ? { busy: true } : {}) }));
    const { unreadable } = tasks;
    if (this.json)
      printJson({
        actions: plan.map(action =>
          'dueAt' in action ? { ...action, dueAt: isoTime(action.dueAt) } : action,
        ),
        nextDueAt: nextDueAt === null ? null : isoTime(nextDueAt),
        invalid: tasks.invalid,
        problems: unreadable === null ? [] : [{ what: unreadable.file, reason: unreadable.reason }],
      });
    else {
      const lines = plan.filter(isSaid).map(action => `${planned(action)}${action.busy ? BUSY : ''}\n`);
      printOut(lines.join('') || (unreadable === null ? 'Nothing to do.\n' : 'Nothing else to do.\n'));
    }
    for (const { id, name, problem } of tasks.invalid) this.warn(`job ${id ?? name ?? '?'}: ${problem}`);
    if (desk.config.cron?.enabled === false) this.warn('jobs do not run: cron.enabled is false');
    if (unreadable === null) return EXIT.ok;
    this.warn(`${unreadable.file}: ${unreadable.reason}; it is left in place, and no job runs`);
    return EXIT.data;
  }
}

const BUSY = '; another process works there now';

/** Whether somebody living holds the session of an action. */
function isBusy({ context, layout }: Desk, action: TickAction): boolean {
  if (action.do !== 'work' && action.do !== 'wake') return false;
  const holder = holderOf(layout.lock(action.agentId, action.key));
  return holder !== null && tokenState(context, holder) === 'alive';
}

/** A look at which sessions' day is over is no news where none is. */
function isSaid(action: TickAction): boolean {
  return action.do !== 'reset' || action.keys.length > 0;
}

/** One line of the plan: what, for whom, and why. */
function planned(action: TickAction): string {
  switch (action.do) {
    case 'work':
    case 'wake':
      return `${action.do}  ${action.key}  ${action.why}`;
    case 'reset':
      return `reset  ${action.keys.join(' ') || 'none'}  ${action.why}`;
    case 'deliver':
      return `deliver  ${action.ids.join(' ')}  ${action.why}`;
    default:
      return `${action.do}  ${action.id}  ${action.why}`;
  }
}

function describe({ worked, failed, resets, runs, removed, delivery }: TickReport): string {
  const broken = new Set(failed.map(({ sessionKey }) => sessionKey));
  return [
    ...worked.map(key => `${key}  ${broken.has(key) ? 'failed' : 'done'}\n`),
    ...resets.reset.map(({ sessionKey }) => `${sessionKey}  reset\n`),
    ...runs.map(({ jobId, status, reason }) => `job ${jobId}  ${status}${reason ? ` (${reason})` : ''}\n`),
    ...removed.map(id => `job ${id}  removed: it has succeeded\n`),
    ...delivery.sent.map(id => `delivery ${id}  sent\n`),
  ].join('');
}
