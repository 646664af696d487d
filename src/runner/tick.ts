/**
 * The supervisor, for as long as there is something to do: plan, begin what can begin, and plan again whenever something
 * has ended or the next instant has come, so that a long run delays nobody. Any number of ticks share the work: each
 * session and each job is held by one of them.
 */
import fs from 'node:fs';
import path from 'node:path';
import { DEFAULTS } from '../config/defaults.ts';
import { nextAttempt } from '../core/delivery/delivery.ts';
import { parseToken } from '../core/lease.ts';
import { isOver } from '../core/schedule/due.ts';
import { nextDailyReset } from '../core/session/boundary.ts';
import {
  actionKey,
  isHeartbeat,
  planTick,
  startable,
  startsAgent,
  type TaskOutlook,
  type TickAction,
  type TickFacts,
} from '../core/tick.ts';
import { listClaims } from '../store/claims.ts';
import { JobCache } from '../store/job-cache.ts';
import { listNames } from '../store/json-file.ts';
import { encodeKey } from '../store/layout.ts';
import { holderOf, type Lock, tokenState, tryLock } from '../store/lock.ts';
import { listOutbox } from '../store/outbox.ts';
import { sessionOfTurn } from './carry-out.ts';
import { deliver, nextDelivery, senderOf } from './deliver.ts';
import { type Desk, TurnInterrupted } from './desk.ts';
import { explain, pendingWork, putAway, workPending } from './leftovers.ts';
import { abandon, perform } from './perform.ts';
import { jobPerformer } from './performer.ts';
import { emptyReport, runReport, type TickReport } from './report.ts';
import { planDailyResets, resetDaily } from './sweep.ts';
import { gatherTasks, nextOf, type Tasks } from './tasks.ts';
import { wake } from './wake.ts';

/** Sessions worked at a time. */
const SESSIONS = 4;
/** While something is under way the files are looked at again after so long, ms. */
const LOOK_AGAIN = 5000;
/** Within one tick a delivery that failed is tried again after so long at the soonest, ms. */
const ASK_AGAIN = 60_000;
/** What was tried is not tried again sooner, ms. */
const REST = 5000;
/** A timer ticks that often; a tick that lasts longer runs a job no more often than one tick after the other would, ms. */
const TIMER = 60_000;

export interface TickOptions {
  signal: AbortSignal;
  /** most agents this tick starts */
  max?: number;
}

/**
 * What a tick would do now, and when there is something to do next. Reads only.
 *
 * @param cache of an earlier look of this process
 */
export function lookAhead(
  desk: Desk,
  cache?: JobCache,
): {
  actions: TickAction[];
  nextDueAt: number | null;
  tasks: Tasks;
} {
  const { claims } = listClaims(desk.layout);
  const tasks = gatherTasks(desk, new Set(claims.map(({ jobId }) => jobId)), cache);
  const outbox = listOutbox(desk.layout).items.filter(
    item => item.state === 'waiting' && senderOf(desk.config, item.origin) !== null,
  );
  const now = desk.context.now();
  const held = new Set(listNames(path.dirname(desk.layout.runningLock('x'))));
  const left = claims.filter(
    ({ owner, jobId }) => tokenState(desk.context, owner) === 'dead' && !isHeld(desk, jobId),
  );
  // Of jobs that cannot be told from ones that are gone (the file is broken, jobs are switched off) nothing is given up.
  const knowsAll = tasks.unreadable === null && desk.config.cron?.enabled !== false;
  const invalid = new Set(tasks.invalid.map(({ id }) => id));
  const agentOf = new Map(tasks.tasks.map(({ id, agentId }) => [id, agentId]));
  const pending = pendingWork(desk);
  const ofRuns = sessionsOf(left, tasks);
  const resets = planDailyResets(desk);
  const facts: TickFacts = {
    now,
    left: left
      .filter(({ jobId }) => agentOf.has(jobId) || (knowsAll && !invalid.has(jobId)))
      .map(({ jobId, startedAt }) => ({ id: jobId, agentId: agentOf.get(jobId) ?? '', startedAt })),
    // A turn of this very process is under way; of others it is said that they are busy. Who accounts for the run of a
    // job sees to its turn too.
    sessions: pending.sessions.filter(
      ({ agentId, key }) => !isOwn(desk, agentId, key) && !ofRuns.has(`${agentId} ${key}`),
    ),
    wakes: pending.wakes,
    resets: { keys: resets.resets.map(({ key }) => key), isLook: resets.sweep !== null },
    tasks: tasks.tasks.map(({ id, agentId, plan, state, job }): TaskOutlook => {
      return {
        ...{ id, agentId, runs: plan.runs, isOver: job !== null && isOver(job, state) },
        isRunning: held.has(encodeKey(id)) && isHeld(desk, id),
        isNew: plan.seen !== null,
        accounts: plan.records.length + (plan.seen ? 1 : 0) + (plan.clock === null ? 0 : 1),
      };
    }),
    deliveries: outbox.filter(item => nextAttempt(item) <= now).map(({ id }) => id),
  };
  return { actions: planTick(facts), nextDueAt: nextDueAt(desk, tasks), tasks };
}

/** The sessions in which dead owners had agents asked for jobs. */
function sessionsOf(left: readonly { jobId: string }[], { tasks }: Tasks): Set<string> {
  const ids = new Set(left.map(({ jobId }) => jobId));
  return new Set(
    tasks.flatMap(({ id, job, agentId }) =>
      ids.has(id) && job?.payload.kind === 'agentTurn' ? [`${agentId} ${sessionOfTurn(job, agentId)}`] : [],
    ),
  );
}

const DAY = 24 * 3_600_000;

/** The next instant at which something may be due, epoch ms; null where nothing is known. */
function nextDueAt(desk: Desk, tasks: Tasks): number | null {
  const { config, context, layout, zone } = desk;
  const cleanup =
    config.session?.retention === undefined
      ? null
      : (fs.statSync(layout.cleanupStamp(), { throwIfNoEntry: false })?.mtimeMs ?? 0) + DAY;
  const times = [nextOf(tasks), nextDelivery(desk), nextDailyReset(config, context.now(), zone), cleanup];
  const known = times.filter(at => at !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** Does everything that is due, and leaves when nothing of it is under way any more. */
export async function tick(
  desk: Desk,
  { signal, max }: TickOptions,
): Promise<{ report: TickReport; nextDueAt: number | null; isIdle: boolean }> {
  const report = emptyReport();
  const trouble = (what: string, error: unknown) => {
    if (!(error instanceof TurnInterrupted)) report.problems.push({ what, reason: explain(error) });
  };
  report.problems.push(...(await putAway(desk)));
  const flying = new Map<TickAction, Promise<void>>();
  const tried = new Map<string, number>();
  const ran = new Map<string, number>();
  const begunAt = desk.context.now();
  const isTried = (action: TickAction) => {
    const since = (at: number | undefined) => desk.context.now() - (at ?? Number.NEGATIVE_INFINITY);
    if (since(tried.get(triedKey(action))) < REST) return true;
    // Else two jobs of every few seconds would keep each other, and this process, going for ever.
    const isNew = action.do === 'run' && action.trigger === 'schedule' && action.dueAt > begunAt;
    return isNew && since(ran.get(action.id)) < TIMER;
  };
  let started = 0;
  /** when deliveries were tried in vain, or left to another tick */
  const asked = new Map<string, number>();
  // What waits in the outbox is looked at once, due or not, so that the report says why it waits.
  let hasLookedAtOutbox = false;
  let next: number | null = 0;
  let isIdle = false;
  const cache = JobCache.open(desk);
  while (!signal.aborted || flying.size > 0) {
    const { actions: planned, nextDueAt, tasks } = lookAhead(desk, cache);
    const actions = planned.flatMap(action => withoutAsked(action, asked, desk.context.now()));
    noteTasks(report, tasks);
    if (!hasLookedAtOutbox) {
      const rest = actions.filter(action => action.do !== 'deliver');
      actions.splice(0, actions.length, ...rest, { do: 'deliver', ids: [], why: 'what waits is looked at' });
    }
    const begun = signal.aborted
      ? []
      : startable(actions, {
          ...{
            flying: [...flying.keys()],
            started,
            max: max ?? Number.POSITIVE_INFINITY,
            sessions: SESSIONS,
          },
          runsPerAgent: desk.config.cron?.maxConcurrentRuns ?? DEFAULTS.config.cron.maxConcurrentRuns,
          isTried,
        });
    for (const action of begun) {
      hasLookedAtOutbox ||= action.do === 'deliver';
      if (startsAgent(action)) started++;
      if (action.do === 'run') ran.set(action.id, desk.context.now());
      const done = act(desk, action, tasks, report, signal)
        .catch(error => trouble(nameOf(action), error))
        .then(rests => {
          flying.delete(action);
          if (action.do === 'deliver')
            for (const { id } of report.delivery.waiting) asked.set(id, desk.context.now());
          if (rests !== false) tried.set(triedKey(action), desk.context.now());
        });
      flying.set(action, done);
    }
    if (flying.size === 0) {
      isIdle = actions.length === 0;
      next = nextDueAt;
      break;
    }
    const wait = Math.min(
      LOOK_AGAIN,
      Math.max(0, (nextDueAt ?? Number.POSITIVE_INFINITY) - desk.context.now()),
    );
    await firstOf([...flying.values()], Math.max(wait, 20));
  }
  if (desk.config.session?.retention !== undefined && !signal.aborted) {
    try {
      const { cleanUpDaily } = await import('./clean.ts');
      report.cleanup = await cleanUpDaily(desk);
    } catch (error) {
      trouble('retention', error);
    }
  }
  return { report, nextDueAt: next, isIdle: isIdle && !signal.aborted };
}

/** A delivery that could not be made is left for a while; what was put into the outbox meanwhile is not. */
function withoutAsked(action: TickAction, asked: ReadonlyMap<string, number>, now: number): TickAction[] {
  if (action.do !== 'deliver') return [action];
  const isAsked = (id: string) => now - (asked.get(id) ?? Number.NEGATIVE_INFINITY) < ASK_AGAIN;
  const ids = action.ids.filter(id => !isAsked(id));
  return ids.length === 0 ? [] : [{ ...action, ids }];
}

/** That a session's messages were worked says nothing about its events, nor a record that was written about a run. */
function triedKey(action: TickAction): string {
  return `${action.do} ${actionKey(action)}`;
}

function nameOf(action: TickAction): string {
  if ('key' in action) return action.key;
  return 'id' in action ? `job ${action.id}` : action.do === 'deliver' ? 'outbox' : 'resets';
}

/** @returns false where the same may be begun again at once */
async function act(
  desk: Desk,
  action: TickAction,
  tasks: Tasks,
  report: TickReport,
  signal: AbortSignal,
): Promise<boolean> {
  switch (action.do) {
    case 'work': {
      const { isBusy, failures } = await workPending(desk, action, signal);
      (isBusy ? report.busy : report.worked).push(action.key);
      for (const reason of failures) report.failed.push({ sessionKey: action.key, reason });
      return true;
    }
    case 'wake': {
      const { status, reason, error } = await wake(desk, action.agentId, action.key, { signal });
      if (reason === 'requests-in-flight') report.busy.push(action.key);
      else if (status === 'ran') report.worked.push(action.key);
      else if (status === 'failed')
        report.failed.push({ sessionKey: action.key, reason: error?.message ?? status });
      // Its mark is gone, unless another event came meanwhile, and that one does not wait for the next tick.
      return status !== 'ran' && reason !== 'no-events';
    }
    case 'reset': {
      const done = await resetDaily(desk, planDailyResets(desk), signal);
      report.resets.reset.push(...done.reset);
      report.resets.left = done.left;
      report.resets.more = done.more;
      return true;
    }
    case 'deliver': {
      // All there is the first time; then only what is new.
      const wanted = new Set(action.ids);
      const only = action.ids.length === 0 ? {} : { only: (item: { id: string }) => wanted.has(item.id) };
      const { sent, waiting } = await deliver(desk, { signal, ...only });
      report.delivery.sent.push(...sent);
      const told = new Set([...sent, ...waiting.map(({ id }) => id)]);
      report.delivery.waiting = [...report.delivery.waiting.filter(({ id }) => !told.has(id)), ...waiting];
      // What has been put there meanwhile need not wait.
      return false;
    }
    case 'remove': {
      const { removeDone } = await import('./performer.ts');
      if (removeDone(desk, action.id)) report.removed.push(action.id);
      return true;
    }
    case 'recover':
    case 'account':
    case 'run': {
      const task = tasks.tasks.find(({ id }) => id === action.id);
      if (task === undefined) {
        if (action.do === 'recover') await abandon(desk, action.id);
        return true;
      }
      if (action.do !== 'run') return performTask(desk, task, 'account', tasks, report, signal);
      if (isHeartbeat(task.id)) return performTask(desk, task, 'due', tasks, report, signal);
      // Only who holds the job looks for a place: ten ticks that ask for the same job must not take ten of them.
      const enter = () => takeSlot(desk, task.agentId);
      return performTask(desk, task, 'due', tasks, report, signal, enter);
    }
  }
}

/** One of the places of an agent's runs, over all ticks; null where each is taken by somebody living. */
function takeSlot({ config, context, layout }: Desk, agentId: string): Lock | null {
  const slots = config.cron?.maxConcurrentRuns ?? DEFAULTS.config.cron.maxConcurrentRuns;
  for (let slot = 0; slot < slots; slot++) {
    const lock = tryLock(context, layout.slotLock(agentId, slot), agentId);
    if (lock !== null) return lock;
  }
  return null;
}

/** @returns false where the same may be begun again at once */
async function performTask(
  desk: Desk,
  task: Tasks['tasks'][number],
  wish: 'account' | 'due',
  tasks: Tasks,
  report: TickReport,
  signal: AbortSignal,
  enter?: () => Lock | null,
): Promise<boolean> {
  const performer = jobPerformer(desk, tasks.unsafe);
  const done = await perform(desk, task, wish, performer, { signal, ...(enter ? { enter } : {}) });
  if (done.state === 'busy') report.busy.push(`job ${task.id}`);
  if (done.state === 'done') report.runs.push(runReport(done.record));
  // Another instant of it may be due already.
  return done.state !== 'done';
}

function noteTasks(report: TickReport, { invalid, unreadable }: Tasks): void {
  report.invalid = invalid;
  const isNoted = report.problems.some(({ what }) => what === 'cron/jobs.json');
  if (unreadable !== null && !isNoted) {
    const reason = `${unreadable.file}: ${unreadable.reason}; it is left in place, and no job runs`;
    report.problems.push({ what: 'cron/jobs.json', reason });
  }
}

/** Whether this process holds a session. */
function isOwn({ context, layout }: Desk, agentId: string, key: string): boolean {
  const holder = holderOf(layout.lock(agentId, key));
  const owner = holder === null ? null : parseToken(holder);
  return owner?.pid === context.self.pid && tokenState(context, holder!) === 'alive';
}

/** Whether somebody living runs a job now, in this process or another. */
function isHeld(desk: Desk, id: string): boolean {
  const holder = holderOf(desk.layout.runningLock(encodeKey(id)));
  return holder !== null && tokenState(desk.context, holder) !== 'dead';
}

/** Waits for the first of them, at most so long (ms). */
async function firstOf(promises: Promise<unknown>[], ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([...promises, late]);
  clearTimeout(timer);
}

/** Leaves the tick's time stamp: an empty file whose mtime says when. Not synced. */
export function stampTick(desk: Desk): void {
  const file = desk.layout.tickStamp();
  const now = new Date(desk.context.now());
  try {
    fs.utimesSync(file, now, now);
  } catch {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.closeSync(fs.openSync(file, 'a', 0o600));
    fs.utimesSync(file, now, now);
  }
}
