/** Everything that a schedule makes due: the jobs of `cron/jobs.json` and the heartbeats of the agents. Reads only. */
import fs from 'node:fs';
import { defaultAgentId } from '../core/routing/binding.ts';
import { type JobPlan, planJob } from '../core/schedule/due.ts';
import { parseDuration } from '../core/schedule/duration.ts';
import { holdsAt } from '../core/schedule/glance.ts';
import { heartbeatJob, heartbeatsOf } from '../core/schedule/heartbeat.ts';
import { agentOfJob, definitionOf } from '../core/schedule/job.ts';
import { CRON_DEFAULTS, rulesOf } from '../core/schedule/rule.ts';
import type { JobState } from '../core/schedule/run-record.ts';
import { JobCache } from '../store/job-cache.ts';
import { mayExecute, seeJobs, settledJob } from '../store/jobs.ts';
import type { Desk } from './desk.ts';
import { factsOf, type Task } from './perform.ts';

/** Run records that are kept of each job. */
const KEPT = CRON_DEFAULTS.retention.keep;
const HOUR = 3_600_000;

export interface Tasks {
  /** without the jobs of which nothing is to be said before their next instant */
  tasks: (Task & { state: JobState; plan: JobPlan })[];
  /** the first instant of those others, epoch ms; null: none */
  calmUntil: number | null;
  /** definitions that cannot be used */
  invalid: { id: string | null; name: string | null; problem: string }[];
  /** the file cannot be read: no job runs, and nobody takes it for empty */
  unreadable: { file: string; reason: string } | null;
  /** why commands of the file are not run */
  unsafe: string | null;
}

/**
 * The jobs and heartbeats with their plans as of now.
 *
 * @param wanted ids of jobs that are to be among them in any case
 * @param cache of an earlier look of this process
 */
export function gatherTasks(
  desk: Desk,
  wanted: ReadonlySet<string> = new Set(),
  cache = JobCache.open(desk),
): Tasks {
  const { config, context } = desk;
  const found: Tasks = { tasks: [], calmUntil: null, invalid: [], unreadable: null, unsafe: null };
  const add = (task: Task, state: JobState) => {
    try {
      const plan = planJob(task.due, state, factsOf(desk, task));
      found.tasks.push({ ...task, state, plan });
    } catch (error) {
      // One job that cannot be reckoned (a zone this Node does not know) keeps nobody else from running.
      const { id, name } = task;
      found.invalid.push({ id, name, problem: `it cannot be planned: ${(error as Error).message}` });
    }
  };
  const keep = keptRuns(desk);
  const list = config.cron?.enabled === false ? null : seeJobs(desk, cache);
  if (list?.state === 'unreadable') found.unreadable = list;
  else if (list !== null) {
    found.invalid.push(...list.invalid);
    found.unsafe = mayExecute(list, context.uid);
    const definedAt = writtenAt(desk, list.mtimeMs);
    const byDefault = defaultAgentId(config);
    const now = context.now();
    for (const listed of list.jobs) {
      const glance = listed.glanceWith(cache, settledJob);
      if (glance !== null && !wanted.has(listed.id) && holdsAt(glance, now)) {
        if (glance.next !== null) found.calmUntil = Math.min(found.calmUntil ?? glance.next, glance.next);
        continue;
      }
      const state = cache.stateOf(listed.id);
      const job = settledJob(listed.read(), state);
      add(
        {
          ...{ id: job.id, name: job.name, due: job, job, definedAt, keep },
          agentId: agentOfJob(job, byDefault),
          rules: rulesOf(job, config.cron),
          definition: definitionOf(job),
        },
        state,
      );
    }
  }
  for (const heartbeat of heartbeatsOf(config)) {
    if (heartbeat.everyMs === null) continue;
    const id = heartbeatJob(heartbeat.agentId);
    const state = cache.stateOf(id);
    add(heartbeatTask(desk, heartbeat.agentId, heartbeat.everyMs, state, keep), state);
  }
  cache.save();
  return found;
}

/** The heartbeat of an agent as something due: a grid that begins when it is first seen (#75487), and no further tries. */
export function heartbeatTask(
  desk: Desk,
  agentId: string,
  everyMs: number,
  state: JobState,
  keep = keptRuns(desk),
): Task {
  const id = heartbeatJob(agentId);
  const now = desk.context.now();
  const known = state.seen?.schedule;
  const anchorMs = known?.kind === 'every' && known.everyMs === everyMs ? known.anchorMs : now;
  return {
    ...{
      id,
      name: `heartbeat of ${agentId}`,
      agentId,
      job: null,
      definition: 'heartbeat',
      definedAt: now,
      keep,
    },
    due: { id, enabled: true, schedule: { kind: 'every', everyMs, anchorMs } },
    rules: {
      ...{ catchUp: 'once', graceMs: null, retries: 0, retryDelayMs: 0, retryMaxDelayMs: 0 },
      ...{ disableAfter: 0, alertAfter: Number.POSITIVE_INFINITY, alertCooldownMs: null },
      ...{ runsPerDay: Number.POSITIVE_INFINITY, tokensPerDay: Number.POSITIVE_INFINITY },
    },
  };
}

/** The next instant at which anything here is due, epoch ms; null where nothing is. */
export function nextOf({ tasks, calmUntil }: Tasks): number | null {
  const times = [calmUntil, ...tasks.map(({ plan }) => plan.next)].filter(at => at !== null);
  return times.length === 0 ? null : Math.min(...times);
}

/**
 * Since when the definitions stand there. The file's time says it, if it was written since the last tick; an older one was
 * brought from elsewhere, and what was due there is not made up for here.
 */
function writtenAt(desk: Desk, mtimeMs: number | null): number {
  const now = desk.context.now();
  if (mtimeMs === null || mtimeMs > now) return now;
  const last = fs.statSync(desk.layout.tickStamp(), { throwIfNoEntry: false });
  const since = last === undefined ? now - HOUR : Math.min(last.mtimeMs, now);
  return mtimeMs >= since ? mtimeMs : now;
}

function keptRuns(desk: Desk): Task['keep'] {
  const { keep = KEPT, maxAge } = desk.config.cron?.retention ?? {};
  const age = maxAge === undefined ? null : parseDuration(maxAge);
  return { keep, before: age === null ? Number.NEGATIVE_INFINITY : desk.context.now() - age };
}
