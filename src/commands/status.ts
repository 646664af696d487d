import fs from 'node:fs';
import { Command } from 'clipanion';
import type { Context } from '../context.ts';
import { ago } from '../core/display/age.ts';
import { kiloTokens } from '../core/display/count.ts';
import { EXIT } from '../core/errors.ts';
import { agentIds } from '../core/routing/binding.ts';
import type { Desk } from '../runner/desk.ts';
import type { TimerState } from '../runner/install-timer.ts';
import { pendingWork } from '../runner/leftovers.ts';
import { loadJobs } from '../store/jobs.ts';
import { countSystemEvents } from '../store/system-events.ts';
import { ClawCommand } from './base.ts';
import { count, warning } from './checks/check.ts';
import { checkJobs } from './checks/jobs.ts';
import { checkTimer, lookAtTimer } from './checks/timer.ts';
import { checkTick, lookAtWork, tickAge } from './checks/work.ts';
import { readBoard } from './cron/rows.ts';
import { openDesk } from './desk.ts';
import {
  isoTime,
  type Paint,
  painter,
  printable,
  printableLines,
  table,
  terminalWidth,
  tokens,
} from './format.ts';
import { isOperator } from './operator.ts';
import { printJson, printOut } from './output.ts';
import { type SessionRow, sessionRows } from './sessions/rows.ts';
import { visibleTo } from './sessions/visible.ts';

const RECENT = 5;

export class StatusCommand extends ClawCommand {
  static override paths = [['status']];
  static override usage = Command.Usage({
    description:
      'Where the store is, sessions and tokens, the newest of them, the last tick, and what is pending; exit 1 when something needs attention.',
  });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const document = statusOf(desk, await lookAtTimer(desk, { ask: false }));
    if (this.json) printJson(document);
    else printOut(describe(document, painter(context.env)));
    for (const { file, reason } of document.problems)
      this.warn(`${file}: ${reason}; it is left in place (claw doctor --fix)`);
    return document.attention.length > 0 ? EXIT.attention : EXIT.ok;
  }
}

function statusOf(desk: Desk, timer: TimerState) {
  const { rows, problems, total } = sessionRows(desk, {}, desk.context.now());
  const work = lookAtWork(desk);
  const maySee = visibleTo(desk);
  const last = tickAge(desk);
  const unreadable = [...problems, ...work.problems];
  const attention = [
    // Ticks that never came are a choice; ticks that stopped are not.
    ...(last?.late ? [checkTick(desk)] : []),
    ...checkTimer(timer).filter(check => check.status !== 'ok'),
    ...work.checks.filter(check => check.status !== 'ok'),
    ...checkJobs(desk).filter(check => check.status !== 'ok'),
    ...problems.map(({ file, reason }) =>
      warning('records', `cannot be read: ${reason}; it is left in place`, file, 'claw doctor --fix'),
    ),
  ].map(({ id, what, where, fix }) => ({ id, what, where, fix }));
  return {
    home: desk.layout.home,
    configFile: fs.existsSync(desk.context.configFile) ? desk.context.configFile : null,
    path: desk.layout.agents(),
    sessions: total,
    agents: totals(rows),
    recent: rows.slice(0, RECENT).map(row => ({
      key: row.key,
      ageMs: row.ageMs,
      sessionId: row.sessionId,
      usedTokens: row.usedTokens,
      contextTokens: row.contextTokens,
      percentUsed: row.percentUsed,
    })),
    lastTick: last ? { at: new Date(last.at).toISOString(), ageMs: last.ageMs, late: last.late } : null,
    timer: {
      installed: timer.installed && !timer.elsewhere,
      kind: timer.elsewhere ? null : timer.kind,
      drift: timer.elsewhere ? [] : timer.drift,
    },
    jobs: jobsOf(desk),
    pending: {
      sessions: pendingWork(desk).sessions.filter(({ agentId, key }) => maySee(agentId, key)).length,
      waiting: work.waiting.length,
      failed: work.failed.length,
      events: isOperator(desk.context)
        ? agentIds(desk.config).reduce((sum, id) => sum + countSystemEvents(desk.layout, id), 0)
        : 0,
      deliveries: work.undelivered,
      pairing: work.strangers,
    },
    problems: unreadable,
    attention,
  };
}

/** How many jobs there are, and what comes next of them; null where their file cannot be read. */
function jobsOf(desk: Desk) {
  if (loadJobs(desk).state !== 'ok') return null;
  const { rows, invalid } = readBoard(desk, desk.context.now());
  const times = rows.flatMap(({ outlook }) => (outlook.next === null ? [] : [outlook.next]));
  return {
    number: rows.length,
    invalid: invalid.length,
    running: rows.filter(({ runningAtMs }) => runningAtMs !== null).length,
    late: rows.filter(({ outlook }) => outlook.late).length,
    next: times.length === 0 ? null : isoTime(Math.min(...times)),
  };
}

type Status = ReturnType<typeof statusOf>;

/** Sums over the sessions of each agent. */
function totals(rows: SessionRow[]) {
  const agents = new Map<
    string,
    { agentId: string; sessions: number; messages: number; totalTokens: number }
  >();
  for (const row of rows) {
    const sum = agents.get(row.agentId) ?? { agentId: row.agentId, sessions: 0, messages: 0, totalTokens: 0 };
    sum.sessions++;
    sum.messages += row.messageCount;
    sum.totalTokens += row.totalTokens;
    agents.set(row.agentId, sum);
  }
  return [...agents.values()].sort((a, b) => (a.agentId < b.agentId ? -1 : 1));
}

function jobsInWords({ number, running, late, next }: NonNullable<Status['jobs']>): string {
  const parts = [
    count(number, 'job'),
    ...(running > 0 ? [`${running} running`] : []),
    ...(late > 0 ? [`${late} late`] : []),
    next === null ? 'none is due any more' : `next ${next}`,
  ];
  return parts.join(', ');
}

function describe(status: Status, paint: Paint): string {
  const { pending, lastTick, attention, agents, recent } = status;
  const line = (head: string, text: string) => `${paint('strong', head.padEnd(10))}${printable(text)}\n`;
  const tick =
    lastTick === null
      ? 'never; once a minute it finishes what was left over'
      : `${ago(lastTick.ageMs)}${lastTick.late ? ' (late)' : ''}`;
  const parts: [number, string, string?][] = [
    [pending.sessions, 'session with work', 'sessions with work'],
    [pending.waiting, 'waiting message'],
    [pending.failed, 'failed message'],
    [pending.events, 'event'],
    [pending.deliveries, 'undelivered reply', 'undelivered replies'],
    [pending.pairing, 'stranger'],
  ];
  const work = parts.filter(([number]) => number > 0).map(([number, one, many]) => count(number, one, many));
  return [
    line('store', status.path),
    line('config', status.configFile ?? 'none (built-in defaults; claw init writes one)'),
    line('sessions', String(status.sessions)),
    ...agents.map(each =>
      line(
        '',
        `${each.agentId}: ${count(each.sessions, 'session')}, ${count(each.messages, 'message')}, ${kiloTokens(each.totalTokens)} tokens`,
      ),
    ),
    ...(recent.length === 0
      ? []
      : table(
          ['KEY', 'ACTIVE', 'CONTEXT'],
          recent.map(row => [row.key, ago(row.ageMs), tokens(row.usedTokens, row.contextTokens)]),
          terminalWidth() - 2,
          { whole: ['KEY'] },
        )
          .split(/(?<=\n)/)
          .map(row => `  ${row}`)),
    ...(status.jobs === null || status.jobs.number === 0 ? [] : [line('jobs', jobsInWords(status.jobs))]),
    line('last tick', tick),
    line(
      'timer',
      status.timer.kind ?? 'none (claw timer install; or call claw tick once a minute otherwise)',
    ),
    line('pending', work.join(', ') || 'nothing'),
    ...attention.map(({ what, where, fix }) => {
      const place = where && !what.includes(where) && what.startsWith('cannot') ? `${where}: ` : '';
      return `${paint('doubtful', 'look')}      ${printableLines(`${place}${what}`)}\n${fix ? `          try: ${printable(fix)}\n` : ''}`;
    }),
  ].join('');
}
