import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ago, relative } from '../../core/display/age.ts';
import { EXIT } from '../../core/errors.ts';
import { conditionOf } from '../../core/schedule/glance.ts';
import { tellLocalTime } from '../../core/schedule/zone.ts';
import type { Desk } from '../../runner/desk.ts';
import { ClawCommand } from '../base.ts';
import { count } from '../checks/check.ts';
import { tickAge } from '../checks/work.ts';
import { openDesk } from '../desk.ts';
import { isoTime } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { timeOption } from '../time-option.ts';
import { lateBecause, readBoard } from './rows.ts';

export class CronStatusCommand extends ClawCommand {
  static override paths = [['cron', 'status']];
  static override usage = Command.Usage({
    description: 'Whether jobs run at all, when the next one is due, what runs, what is late and why.',
  });

  at = Option.String('--at', { description: 'as it would look at this time' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const now = timeOption(this.at, desk);
    const document = statusOf(desk, now);
    if (this.json) printJson(document);
    else printOut(describe(desk, document, now));
    return EXIT.ok;
  }
}

function statusOf(desk: Desk, now: number) {
  const { list, rows, invalid } = readBoard(desk, now);
  const enabled = desk.config.cron?.enabled !== false;
  const last = tickAge(desk);
  const due = rows.filter(row => row.outlook.next !== null);
  const nextWakeAtMs = due.reduce<number | null>(
    (least, { outlook }) => (least === null || outlook.next! < least ? outlook.next : least),
    null,
  );
  const first = due.find(({ outlook }) => outlook.next === nextWakeAtMs);
  return {
    enabled,
    file: list.file,
    jobs: rows.length,
    active: due.length,
    invalid: invalid.length,
    nextWakeAtMs: enabled ? nextWakeAtMs : null,
    nextWake: enabled && nextWakeAtMs !== null ? isoTime(nextWakeAtMs) : null,
    nextJob: enabled ? (first?.job.id ?? null) : null,
    running: rows
      .filter(row => row.runningAtMs !== null)
      .map(({ job, runningAtMs }) => ({ id: job.id, runningAtMs })),
    late: rows
      .filter(row => row.outlook.late)
      .map(row => ({
        id: row.job.id,
        dueAtMs: row.outlook.next,
        dueAt: isoTime(row.outlook.next!),
        reason: lateBecause(row, { enabled, last, now }),
      })),
    disabled: rows
      .filter(row => conditionOf(row).startsWith('disabled'))
      .map(({ job, state }) => ({ id: job.id, reason: state.disabled?.reason ?? 'by hand' })),
    over: rows
      .map(row => ({ id: row.job.id, condition: conditionOf(row) }))
      .filter(({ condition }) => condition.startsWith('over:'))
      .map(({ id, condition }) => ({ id, reason: condition.slice('over:'.length) })),
    lastTick: last === null ? null : { at: isoTime(last.at), ageMs: last.ageMs, late: last.late },
  };
}

function describe(desk: Desk, status: ReturnType<typeof statusOf>, now: number): string {
  const line = (head: string, text: string) => `${head.padEnd(10)}${text}\n`;
  const { nextWakeAtMs: next, lastTick } = status;
  const off = status.disabled.length;
  return [
    line('jobs', status.enabled ? 'run' : 'do not run: cron.enabled is false in the configuration'),
    line(
      'number',
      `${count(status.jobs, 'job')}, ${off} disabled${status.invalid > 0 ? `, ${status.invalid} invalid (claw cron list)` : ''}`,
    ),
    line(
      'next',
      next === null
        ? 'nothing is due'
        : `${status.nextJob}, ${tellLocalTime(desk.zone, next)} (${desk.zone.name}), ${relative(next - now)}`,
    ),
    ...status.running.map(({ id, runningAtMs }) =>
      line('running', `${id}, since ${ago(now - runningAtMs!)}`),
    ),
    ...status.late.map(({ id, dueAtMs, reason }) =>
      line('late', `${id}, due ${ago(now - dueAtMs!)}: ${reason}`),
    ),
    ...status.disabled.map(({ id, reason }) => line('disabled', `${id}: ${reason} (claw cron enable ${id})`)),
    ...status.over.map(({ id, reason }) => line('over', `${id}: ${reason} (claw cron runs ${id})`)),
    line(
      'last tick',
      lastTick === null
        ? 'never (claw timer install)'
        : `${ago(lastTick.ageMs)}${lastTick.late ? ' (late; claw timer status)' : ''}`,
    ),
  ].join('');
}
