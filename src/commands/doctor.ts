import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import { quoted } from '../config/load.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../core/errors.ts';
import type { SessionRecord } from '../core/session/session.ts';
import type { Desk } from '../runner/desk.ts';
import { listAgents, listRecords } from '../store/sessions.ts';
import { ClawCommand } from './base.ts';
import { checkOpenChannels, checkOrphans, checkSharedMain } from './checks/access.ts';
import { type Check, failure, fine, warning } from './checks/check.ts';
import { checkJobs } from './checks/jobs.ts';
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
    requireOperator(context, 'doctor');
    const looseBefore = isLoose(context.configFile);
    const first = await openDesk(context, { anyConfig: true, quiet: true });
    // Before the config: a file that others could write is not believed, and this may be what mends it.
    const modes = guarded(first, () => checkModes(first, this.fix));
    const desk = this.fix ? await openDesk(context, { anyConfig: true, quiet: true }) : first;
    const config = await checkConfig(context);
    if (looseBefore && !isLoose(context.configFile)) config.push(mayBeForged(context.configFile));
    const isUsable = !config.some(({ status, where }) => status === 'fail' && where === context.configFile);
    const checks = [
      ...config,
      ...modes,
      ...checkAll(desk, this.fix, isUsable),
      ...(isUsable ? await checkRunnersOf(desk) : []),
      ...(await checkTimerOf(desk)),
    ];
    const ok = checks.every(check => check.status === 'ok');
    if (this.json) printJson({ ok, checks });
    else printOut(describe(checks, painter(context.env)));
    return ok ? EXIT.ok : EXIT.attention;
  }
}

async function checkRunnersOf(desk: Desk): Promise<Check[]> {
  try {
    return await checkRunners(desk);
  } catch (error) {
    return [failure('runner', (error as Error).message, null, 'claw agents detect')];
  }
}

async function checkTimerOf(desk: Desk): Promise<Check[]> {
  try {
    return checkTimer(await lookAtTimer(desk, { ask: true }));
  } catch (error) {
    return [failure('timer', (error as Error).message, null, 'claw timer status')];
  }
}

/** Whether everybody may write to it. */
function isLoose(file: string): boolean {
  return ((fs.statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o002) !== 0;
}

/** Mended, but not well: what somebody else wrote there before is still in it. */
function mayBeForged(file: string): Check {
  return warning(
    'config',
    'everybody could write to it until just now, and it names the programs claw runs; only you can tell whether somebody did',
    file,
    `read it: less ${quoted(file)}`,
  );
}

/** @param isUsable the config can be read; what depends on it is left out otherwise, since the defaults would accuse the wrong */
function checkAll(desk: Desk, fix: boolean, isUsable: boolean): Check[] {
  let records: SessionRecord[] = [];
  return [
    () => checkMachine(desk),
    () => checkHome(desk),
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
    ...(isUsable
      ? [
          () => checkAgents(desk),
          () => checkOpenChannels(desk, records),
          () => checkSharedMain(desk, records),
          () => checkOrphans(desk, records),
        ]
      : [() => [fine('left-out', 'runners, agents, access: not looked at while the config cannot be used')]]),
    () => [checkTick(desk)],
    () => checkJobs(desk),
    () => lookAtWork(desk).checks,
  ].flatMap(step => guarded(desk, step));
}

/** One place that cannot be looked at keeps nobody from the others. */
function guarded(desk: Desk, step: () => Check[]): Check[] {
  try {
    return step();
  } catch (error) {
    const { message, path: where } = error as NodeJS.ErrnoException;
    return [failure('access-to-state', message, where ?? desk.layout.home, 'look at its owner and modes')];
  }
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
