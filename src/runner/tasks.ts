/** Everything that a schedule makes due: the jobs of `cron/jobs.json` and the heartbeats of the agents. Reads only. */
import fs from 'node:fs';
import { defaultAgentId } from '../core/routing/binding.ts';
import { type JobPlan, planJob } from '../core/schedule/due.ts';
import { parseDuration } from '../core/schedule/duration.ts';
import { heartbeatJob, heartbeatsOf } from '../core/schedule/heartbeat.ts';
import { agentOfJob, definitionOf } from '../core/schedule/job.ts';
import { CRON_DEFAULTS, rulesOf } from '../core/schedule/rule.ts';
import type { JobState } from '../core/schedule/run-record.ts';
import { JobCache } from '../store/job-cache.ts';
import { loadJobs, mayExecute, settledJob } from '../store/jobs.ts';
import type { Desk } from './desk.ts';
import { factsOf, type Task } from './perform.ts';

/** Run records that are kept of each job. */
const KEPT = CRON_DEFAULTS.retention.keep;
const HOUR = 3_600_000;

export interface Tasks {
  tasks: (Task & { state: JobState; plan: JobPlan })[];
  /** definitions that cannot be used */
  invalid: { id: string | null; name: string | null; problem: string }[];
  /** the file cannot be read: no job runs, and nobody takes it for empty */
  unreadable: { file: string; reason: string } | null;
  /** why commands of the file are not run */
  unsafe: string | null;
}

/** The jobs and heartbeats with their plans as of now. */
export function gatherTasks(desk: Desk): Tasks {
  const { config, context } = desk;
  const cache = JobCache.open(desk);
  const found: Tasks = { tasks: [], invalid: [], unreadable: null, unsafe: null };
  const add = (task: Task, state: JobState) => {
    const plan = planJob(task.due, state, factsOf(desk, task));
    found.tasks.push({ ...task, state, plan });
  };
  const keep = keptRuns(desk);
  const list = config.cron?.enabled === false ? null : loadJobs(desk, cache);
  if (list?.state === 'unreadable') found.unreadable = list;
  else if (list !== null) {
    found.invalid = list.invalid;
    found.unsafe = mayExecute(list, context.uid);
    const definedAt = writtenAt(desk, list.mtimeMs);
    const byDefault = defaultAgentId(config);
    for (const stored of list.jobs) {
      const state = cache.stateOf(stored.job.id);
      const job = settledJob(stored, state);
      add(
        {
          ...{
            id: job.id,
            name: job.name,
            agentId: agentOfJob(job, byDefault),
            due: job,
            job,
            definedAt,
            keep,
          },
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
export function nextOf({ tasks }: Tasks): number | null {
  const times = tasks.flatMap(({ plan }) => (plan.next === null ? [] : [plan.next]));
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
