/** A job run, or ended, because somebody asks for it. */
import { mainSessionKey } from '../core/routing/session-key.ts';
import type { RunRecord } from '../core/schedule/run-record.ts';
import { listClaims } from '../store/claims.ts';
import { encodeKey } from '../store/layout.ts';
import { holderOf, tokenState } from '../store/lock.ts';
import { appendRuns, readRuns } from '../store/runs.ts';
import { dropSystemEvents, listSystemEvents } from '../store/system-events.ts';
import { deliver, type Fate, fateOf } from './deliver.ts';
import type { Desk } from './desk.ts';
import { perform } from './perform.ts';
import { jobPerformer } from './performer.ts';
import { requestCancel } from './stop.ts';
import { gatherTasks, type Tasks } from './tasks.ts';
import { wake } from './wake.ts';

/** How long a cancelled run is waited for, ms. */
const PATIENCE = 15_000;

type GatheredTask = Tasks['tasks'][number];

/** What a job comes to now; null where the jobs that are acted on have none of this id. */
export function taskOf(desk: Desk, id: string): { task: GatheredTask; unsafe: string | null } | null {
  // Somebody asks for it by name, so it does not matter that jobs are switched off.
  const { cron, ...rest } = desk.config;
  const config = { ...rest, cron: { ...cron, enabled: true } };
  const { tasks, unsafe } = gatherTasks({ ...desk, config }, new Set([id]));
  const task = tasks.find(each => each.id === id);
  return task === undefined ? null : { task, unsafe };
}

export type RanNow =
  | {
      ran: true;
      /** as it stands after its event was told */
      record: RunRecord;
      sent: string[];
      /** what became of what it said; null where that was to go nowhere */
      fate: Fate | null;
    }
  | {
      ran: false;
      reason: 'not-due' | 'disabled' | 'over' | 'running' | 'left';
      next: number | null;
      /** why it is disabled */
      why?: string;
    };

/**
 * Runs a job in this process, to its end: its events are told and what it has to say is sent.
 *
 * @param force also where nothing of it is due; its schedule stays as it is
 */
export async function runNow(
  desk: Desk,
  { task, unsafe }: { task: GatheredTask; unsafe: string | null },
  { force, signal }: { force: boolean; signal: AbortSignal },
): Promise<RanNow> {
  const { next, idle } = task.plan;
  const notDue = (): RanNow => {
    if (idle === 'disabled') return { ran: false, reason: 'disabled', next, why: 'by hand' };
    if (idle === 'failures')
      return { ran: false, reason: 'disabled', next, why: task.state.disabled?.reason ?? 'failures' };
    return { ran: false, reason: idle === 'done' || next === null ? 'over' : 'not-due', next };
  };
  if (!force && task.plan.runs.length === 0) return notDue();
  const wish = force ? 'manual' : 'due';
  const done = await perform(desk, task, wish, jobPerformer(desk, unsafe), { signal });
  if (done.state === 'busy') return { ran: false, reason: 'running', next };
  if (done.state === 'left') return { ran: false, reason: 'left', next };
  if (done.state === 'nothing') return notDue();
  const { record } = done;
  let ended = record;
  const ids = new Set([record.runId, `alert-${record.runId}`]);
  if (record.status === 'queued' && record.sessionKey !== undefined) {
    const events = listSystemEvents(desk.layout, task.agentId, record.sessionKey).events;
    if (events.some(event => event.runId === record.runId && event.wake === 'now')) {
      const told = await wake(desk, task.agentId, record.sessionKey, { signal });
      if (told.delivery?.id !== undefined) ids.add(told.delivery.id);
      ended = endOf(desk, task.id, record);
    }
  }
  const { sent } = await deliver(desk, { only: item => ids.has(item.id), signal });
  const last = ended;
  return { ran: true, record: last, sent, fate: last.delivery ? fateOf(desk, last.delivery) : null };
}

/** How a run stands by now: its event may have been told. */
function endOf({ layout }: Desk, id: string, record: RunRecord): RunRecord {
  const { lines } = readRuns(layout, id);
  const newest = lines.findLast(line => line.action === 'finished' && line.runId === record.runId);
  return newest?.action === 'finished' ? { ...record, ...newest } : record;
}

export interface Cancelled {
  /** a run that was under way has ended */
  ended: boolean;
  /** it was asked to end and has not yet */
  ending: boolean;
  /** a further try that will not come */
  retry: boolean;
  /** events nobody will be told */
  events: number;
}

/** Ends what runs of a job, and takes back what is to come of its past instants. Its schedule stays. */
export async function cancel(
  desk: Desk,
  { task, unsafe }: { task: GatheredTask; unsafe: string | null },
  signal: AbortSignal,
): Promise<Cancelled> {
  const { context, layout } = desk;
  const { id } = task;
  const done: Cancelled = { ended: false, ending: false, retry: task.state.retry !== null, events: 0 };
  const isRunning = () => {
    const holder = holderOf(layout.runningLock(encodeKey(id)));
    return holder !== null && tokenState(context, holder) !== 'dead';
  };
  const claims = listClaims(layout).claims.filter(({ jobId }) => jobId === id);
  if (claims.length > 0 && !isRunning()) {
    const settled = await perform(desk, task, 'cancel', jobPerformer(desk, unsafe), { signal });
    done.ended = settled.state === 'done';
  }
  for (const { runId } of isRunning() ? claims : []) {
    if (!requestCancel(desk, id, runId)) continue;
    done.ending = true;
    const giveUp = context.now() + PATIENCE;
    while (context.now() < giveUp && isRunning()) await new Promise(resolve => setTimeout(resolve, 25));
    done.ended = !isRunning();
    done.ending = !done.ended;
  }
  done.events = withdrawEvents(desk, task);
  if (done.retry || task.state.queued.length > 0)
    appendRuns(context, layout, id, [{ action: 'dropped', ts: context.now(), jobId: id, reason: 'by-hand' }]);
  return done;
}

/**
 * Takes back what a job has put in line for the main session and nobody was told yet, and records it as cancelled.
 *
 * @returns how many
 */
export function withdrawEvents(
  { config, context, layout }: Desk,
  { id, agentId, state }: Pick<GatheredTask, 'id' | 'agentId' | 'state'>,
): number {
  const key = mainSessionKey(agentId, config.session);
  let withdrawn = 0;
  for (const { runId, dueAt } of state.queued) {
    const waiting = listSystemEvents(layout, agentId, key).events.filter(({ job }) => job?.runId === runId);
    // Where none waits any more, a turn is being told of it, and says so.
    if (waiting.length === 0) continue;
    dropSystemEvents(
      layout,
      agentId,
      key,
      waiting.map(event => event.id),
    );
    withdrawn += waiting.length;
    const ended = { ts: context.now(), jobId: id, runId, status: 'cancelled', reason: 'by-hand' } as const;
    const when =
      dueAt === undefined ? { trigger: 'manual' as const } : { trigger: 'schedule' as const, dueAt };
    appendRuns(context, layout, id, [{ action: 'finished', ...ended, ...when }]);
  }
  return withdrawn;
}
