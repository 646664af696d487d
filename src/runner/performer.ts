/** How the tick, and `cron run`, perform jobs and heartbeats: what is done, who hears of it, what goes afterwards. */
import fs from 'node:fs';
import { mainSessionKey } from '../core/routing/session-key.ts';
import { type AfterRun, isOver, type RunEnding } from '../core/schedule/due.ts';
import { heartbeatOf, isActive } from '../core/schedule/heartbeat.ts';
import type { Job } from '../core/schedule/job.ts';
import { alertOf, eventOf, summaryOf } from '../core/schedule/job-report.ts';
import { isSameTimes, type RunRecord, reduceRuns } from '../core/schedule/run-record.ts';
import type { Origin } from '../core/session/session.ts';
import { changeJobs, settledJob } from '../store/jobs.ts';
import { readOutbox } from '../store/outbox.ts';
import { readRuns } from '../store/runs.ts';
import { loadRecord } from '../store/sessions.ts';
import { putSystemEvent } from '../store/system-events.ts';
import { beat, beatRecord } from './beat.ts';
import { carryOut, giveUp, placeOf, targetOf } from './carry-out.ts';
import type { Desk } from './desk.ts';
import type { Performer, Start, Task } from './perform.ts';
import { lastRouteOf, putProactive } from './push.ts';
import { putWakingEvent } from './wake.ts';

/** @param unsafe why commands of the jobs file are not run; null: they are */
export function jobPerformer(desk: Desk, unsafe: string | null): Performer {
  return {
    mayRepeat: task => task.job !== null && task.job.payload.kind !== 'exec',
    carryOut: (task, start) =>
      task.job === null
        ? beatOnce(desk, task, start)
        : carryOut(desk, task.job, task.agentId, start, {
            unsafe,
            needsWake: agentId => !heartbeatTells(desk, agentId),
          }),
    giveUp: async (task, runId) => {
      if (task.job !== null) await giveUp(desk, task.job, task.agentId, runId);
    },
    announce: (task, record, { alert, failures, text }) => {
      if (task.job === null) return;
      tellMain(desk, task, task.job, record, text);
      if (alert !== null) tellTrouble(desk, task, task.job, record, alert, failures);
    },
    endingOf: ({ job }, runId) => {
      // What a command said is queued when it has ended well, and only then.
      if (job?.payload.kind !== 'exec') return null;
      const said = readOutbox(desk.layout, runId);
      if (said.state !== 'ok') return null;
      const { text, origin, id } = said.value;
      const to = origin.to ?? origin.groupId ?? origin.from ?? '';
      const delivery = { status: 'queued', id, channel: origin.channel, to };
      return { status: 'ok', summary: summaryOf(text), delivery };
    },
    forget: (task, records) => forgetTranscripts(desk, task, records),
  };
}

async function beatOnce(desk: Desk, task: Task, start: Start): Promise<RunEnding> {
  const { runId, trigger, attempt, signal, dueAt, state } = start;
  // Somebody had it beat by hand while this instant was due: once is enough (#86324).
  const { last } = state;
  const isBeaten = last?.trigger === 'manual' && (last.startedAt ?? 0) >= (dueAt ?? Number.POSITIVE_INFINITY);
  if (isBeaten) return { status: 'skipped', reason: 'overlap' };
  const outcome = await beat(desk, task.agentId, {
    trigger: trigger === 'manual' ? 'manual' : 'schedule',
    runId,
    signal,
  });
  const {
    action: _a,
    ts: _t,
    jobId: _j,
    runId: _r,
    ...ending
  } = beatRecord(desk, outcome, { trigger, attempt });
  return ending;
}

/** Whether the next heartbeat of an agent tells what waits, now or soon: it is on, and this is its hour. */
function heartbeatTells(desk: Desk, agentId: string): boolean {
  const { off, activeHours } = heartbeatOf(desk.config, agentId);
  return off === null && isActive(activeHours, desk.context.now(), desk.zone);
}

/** The main session hears of a run that was not its own. */
function tellMain(desk: Desk, { agentId }: Task, job: Job, record: RunRecord, said: string): void {
  const { context, layout, config } = desk;
  if (job.payload.kind === 'systemEvent' || job.sessionTarget !== 'isolated') return;
  // A command's output is nobody's business unless somebody says so; neither is a run that had nothing to do or to say.
  if (job.payload.kind === 'exec' && job.isolation?.postToMainMode === undefined) return;
  if (['nothing-to-do', 'silent'].includes(record.reason ?? '')) return;
  const text = eventOf(job, record, said);
  if (text === null) return;
  const event = { agentId, key: mainSessionKey(agentId, config.session), text, source: 'cron' as const };
  const told = { ...event, runId: record.runId, from: record.sessionKey ?? `cron:${job.id}` };
  if (job.wakeMode === 'now') putWakingEvent(desk, told, record.runId);
  else putSystemEvent(context, layout, told, record.runId);
}

/** Somebody hears that a job keeps failing, or works again: whom the config names, else whom the job talks to. */
function tellTrouble(
  desk: Desk,
  { agentId }: Task,
  job: Job,
  record: RunRecord,
  alert: NonNullable<AfterRun['alert']>,
  failures: number,
): void {
  const { context, layout, config } = desk;
  const text = alertOf(job, alert, failures, record.error?.message ?? record.status);
  const key = mainSessionKey(agentId, config.session);
  const target = alertTarget(desk, job, agentId);
  // Its own id: the run's is that of what the run itself had to say.
  const id = `alert-${record.runId}`;
  if (target !== null) {
    const pushed = putProactive(desk, { id, agentId, sessionKey: key, sessionId: '', origin: target, text });
    if (pushed.decision === 'queued') return;
  }
  const event = { agentId, key, text, source: 'cron' as const, from: `cron:${job.id}` };
  const eventId = record.runId.replace(/^.{8}/, 'a1e27000');
  // Trouble must not wait until somebody happens to write.
  if (heartbeatTells(desk, agentId)) putSystemEvent(context, layout, event, eventId);
  else putWakingEvent(desk, event, eventId);
}

function alertTarget(desk: Desk, job: Job, agentId: string): Origin | null {
  const { channel, to } = desk.config.cron?.alert ?? {};
  const last = lastRouteOf(desk, agentId);
  if (channel !== undefined && channel !== 'last') {
    if (to !== undefined) return placeOf(desk, channel, to, undefined);
    return last?.channel === channel ? last : null;
  }
  const own = targetOf(desk, job, agentId);
  return own === null || own === 'none' ? last : own;
}

/** Transcripts of isolated runs live as long as their records. */
function forgetTranscripts(desk: Desk, { agentId }: Task, records: readonly RunRecord[]): void {
  for (const { sessionKey, sessionId } of records) {
    if (sessionKey === undefined || sessionId === undefined || !/^agent:[^:]+:cron:/.test(sessionKey))
      continue;
    const current = loadRecord(desk.layout, agentId, sessionKey);
    if (current.state !== 'ok' || current.record.sessionId === sessionId) continue;
    fs.rmSync(desk.layout.transcript(agentId, sessionId), { force: true });
  }
}

/** Removes a job that was to go once it had succeeded. */
export function removeDone(desk: Desk, id: string): boolean {
  return changeJobs(desk, ({ jobs }) => {
    const stored = jobs.find(({ job }) => job.id === id);
    const state = reduceRuns(readRuns(desk.layout, id).lines);
    // Looked at once more: somebody may have given it another time meanwhile.
    const isOld =
      stored === undefined || state.seen === null || !isSameTimes(settledJob(stored, state), state.seen);
    const isGone = isOld || !isOver(stored.job, state);
    return isGone ? { result: false } : { remove: [stored.index], result: true };
  });
}
