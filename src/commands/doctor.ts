import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { EXIT } from '../core/errors.ts';
import type { SessionRecord } from '../core/session/session.ts';
import type { Desk } from '../runner/desk.ts';
import { listAgents, listRecords } from '../store/sessions.ts';
import { ClawCommand } from './base.ts';
import { checkOpenChannels, checkOrphans, checkSharedMain } from './checks/access.ts';
import { type Check, failure } from './checks/check.ts';
import { checkAgents, checkConfig, checkMachine, checkRunners } from './checks/setup.ts';
import {
  checkAside,
  checkClock,
  checkHome,
  checkLocks,
  checkModes,
  checkRecords,
  checkSettings,
  checkTemporaries,
} from './checks/state.ts';
import { checkTimer, lookAtTimer } from './checks/timer.ts';
import { checkTick, lookAtWork } from './checks/work.ts';
import { openDesk } from './desk.ts';
import { type Paint, painter, printableLines, type Style } from './format.ts';
import { requireOperator } from './operator.ts';
import { printJson, printOut } from './output.ts';

export class DoctorCommand extends ClawCommand {
  static override paths = [['doctor']];
  static override usage = Command.Usage({
    description:
      'Look for what needs attention, each with its remedy; exit 1 when there is something. --fix mends what it can.',
    examples: [['After a crash', 'claw doctor --fix']],
  });

  fix = Option.Boolean('--fix', false, {
    description: 'mend file modes, half-written files and unreadable records (moved aside, never deleted)',
  });

  override async run(context: Context): Promise<number> {
    if (this.fix) requireOperator(context, 'doctor --fix');
    const desk = await openDesk(context, { anyConfig: true, quiet: true });
    const checks = [
      ...(await checkConfig(context)),
      ...checkAll(desk, this.fix),
      ...(await checkTimerOf(desk)),
    ];
    const ok = checks.every(check => check.status === 'ok');
    if (this.json) printJson({ ok, checks });
    else printOut(describe(checks, painter(context.env)));
    return ok ? EXIT.ok : EXIT.attention;
  }
}

async function checkTimerOf(desk: Desk): Promise<Check[]> {
  try {
    return checkTimer(await lookAtTimer(desk, { ask: true }));
  } catch (error) {
    return [failure('timer', (error as Error).message, null, 'claw timer status')];
  }
}

function checkAll(desk: Desk, fix: boolean): Check[] {
  let records: SessionRecord[] = [];
  return [
    () => checkMachine(desk),
    () => checkHome(desk),
    () => checkModes(desk, fix),
    () => checkRecords(desk, fix),
    () => checkSettings(desk, fix),
    () => {
      records = listAgents(desk.layout).flatMap(agentId => listRecords(desk.layout, agentId).records);
      return [];
    },
    () => checkAside(desk),
    () => checkTemporaries(desk, fix),
    () => checkLocks(desk),
    () => checkClock(desk, records),
    () => checkRunners(desk),
    () => checkAgents(desk),
    () => checkOpenChannels(desk, records),
    () => checkSharedMain(desk, records),
    () => checkOrphans(desk, records),
    () => [checkTick(desk)],
    () => lookAtWork(desk).checks,
  ].flatMap(step => {
    try {
      return step();
    } catch (error) {
      // One place that cannot be looked at keeps nobody from the others.
      const { message, path: where } = error as NodeJS.ErrnoException;
      return [failure('access-to-state', message, where ?? desk.layout.home, 'look at its owner and modes')];
    }
  });
}

const MARKS: Record<Check['status'], { mark: string; style: Style }> = {
  ok: { mark: 'ok  ', style: 'good' },
  warn: { mark: 'look', style: 'doubtful' },
  fail: { mark: 'FAIL', style: 'bad' },
};

/** What needs attention stands last, where a terminal ends up. */
function describe(checks: Check[], paint: Paint): string {
  const order: Check['status'][] = ['ok', 'warn', 'fail'];
  const lines = checks
    .toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status))
    .map(({ id, status, what, where, fix, fixed }) => {
      const { mark, style } = fixed ? { mark: 'done', style: 'good' as const } : MARKS[status];
      const place = status !== 'ok' && where && !what.includes(where) ? `\n      in:  ${where}` : '';
      const remedy = status !== 'ok' && fix ? `\n      try: ${fix}` : '';
      return `${paint(style, mark)}  ${id}: ${printableLines(`${what}${place}${remedy}`)}\n`;
    });
  const open = checks.filter(check => check.status !== 'ok').length;
  return `${lines.join('')}\n${open === 0 ? 'All is well.' : `${open} of ${checks.length} checks need attention.`}\n`;
}
