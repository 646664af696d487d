import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { relative } from '../../core/display/age.ts';
import { EXIT } from '../../core/errors.ts';
import { configuredAgentId } from '../../core/routing/route.ts';
import {
  type Heartbeat,
  heartbeatJob,
  heartbeatsOf,
  isActive,
  nextBeat,
} from '../../core/schedule/heartbeat.ts';
import type { RunRecord } from '../../core/schedule/run-record.ts';
import { describeSchedule } from '../../core/schedule/schedule.ts';
import { heartbeatFile, sessionOfBeat, targetIn } from '../../runner/beat.ts';
import type { Desk } from '../../runner/desk.ts';
import { readRuns } from '../../store/runs.ts';
import { listSystemEvents } from '../../store/system-events.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { isoTime, printable } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';

export class HeartbeatStatusCommand extends ClawCommand {
  static override paths = [['heartbeat', 'status']];
  static override usage = Command.Usage({
    description:
      'Per agent: whether its heart beats, or which key keeps it from it; when next, how the last time ended, who hears of it.',
    examples: [['All agents', 'claw heartbeat status']],
  });

  agent = Option.String('--agent', { description: 'this agent alone' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'heartbeat status');
    const desk = await openDesk(context, { anyConfig: true });
    const only = this.agent === undefined ? null : configuredAgentId(this.agent, desk.config);
    const agents = heartbeatsOf(desk.config)
      .filter(({ agentId }) => only === null || agentId === only)
      .map(heartbeat => statusIn(desk, heartbeat));
    if (this.json) printJson({ agents });
    else printOut(agents.map(row => describe(row, context.now())).join('\n'));
    return EXIT.ok;
  }
}

type Row = ReturnType<typeof statusIn>;

function statusIn(desk: Desk, heartbeat: Heartbeat) {
  const now = desk.context.now();
  const { agentId, off, everyMs, activeHours, model, ackMaxChars } = heartbeat;
  const { lines, bad } = readRuns(desk.layout, heartbeatJob(agentId));
  for (const { offset, reason } of bad)
    desk.warn(`run records of ${heartbeatJob(agentId)}, byte ${offset}: ${reason}; left in place`);
  const sessionKey = sessionOfBeat(desk, heartbeat);
  const { file, state } = heartbeatFile(desk, agentId);
  const next = nextBeat(heartbeat, lines, now, desk.zone);
  const target = targetIn(desk, heartbeat, sessionKey);
  return {
    agentId,
    enabled: off === null,
    disabledBy: off?.key ?? null,
    disabledReason: off === null ? null : `${off.key} ${off.reason}`,
    everyMs,
    every: everyMs === null ? null : describeSchedule({ kind: 'every', everyMs, anchorMs: 0 }, desk.zone),
    nextAt: next === null ? null : isoTime(next),
    last: lastBeat(lines.filter((line): line is RunRecord => line.action === 'finished')),
    activeHours,
    activeNow: isActive(activeHours, now, desk.zone),
    sessionKey,
    target:
      target.origin === null
        ? { channel: null, to: null, reason: target.reason }
        : {
            channel: target.origin.channel,
            to: target.origin.to ?? target.origin.groupId ?? target.origin.from ?? null,
            reason: null,
          },
    model: model ?? null,
    ackMaxChars,
    prompt: heartbeat.prompt,
    heartbeatFile: { path: file, state },
    waitingEvents: listSystemEvents(desk.layout, agentId, sessionKey).events.length,
  };
}

function lastBeat(records: RunRecord[]) {
  const last = records.at(-1);
  if (!last) return null;
  const { ts, status, trigger, event, reason, error, runId } = last;
  return {
    at: isoTime(ts),
    status,
    trigger,
    event: event ?? null,
    reason: reason ?? null,
    error: error?.message ?? null,
    runId,
  };
}

const FILE_STATES = {
  present: 'has something to look at',
  empty: 'asks for nothing',
  missing: 'is not there',
  unreadable: 'cannot be read',
} as const;

function describe(row: Row, now: number): string {
  const { last } = row;
  const ended = last && [last.status, last.event, last.reason, last.error].filter(Boolean).join(', ');
  const hours = row.activeHours === null ? 'all day' : row.activeNow ? 'active now' : 'quiet now';
  const waiting =
    row.nextAt === null
      ? 'with the grid that the next tick sets'
      : `${row.nextAt} (${relative(Date.parse(row.nextAt) - now)})`;
  const target =
    row.target.channel === null
      ? `nobody (${row.target.reason})`
      : printable(`${row.target.channel} ${row.target.to ?? ''}`.trim());
  const lines = [
    ['heartbeat', row.enabled ? `${row.every}, ${hours}` : `off: ${row.disabledReason}`],
    ...(row.enabled ? [['next', waiting]] : []),
    [
      'last',
      last
        ? `${last.at} (${relative(Date.parse(last.at ?? '') - now)}), ${last.trigger}: ${ended}`
        : 'none yet',
    ],
    ['session', row.sessionKey],
    ['tells', target],
    ['file', `${row.heartbeatFile.path} ${FILE_STATES[row.heartbeatFile.state]}`],
    ['events', `${row.waitingEvents} waiting`],
  ];
  return `${row.agentId}\n${lines.map(([name = '', text = '']) => `  ${name.padEnd(10)}${text}\n`).join('')}`;
}
