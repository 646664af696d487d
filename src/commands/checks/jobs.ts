/** Checks of jobs: which cannot be used, are switched off by failures, keep failing, or should have run. `status` makes them too. */
import { agentIds, defaultAgentId } from '../../core/routing/binding.ts';
import { agentOfJob } from '../../core/schedule/job.ts';
import { rulesOf } from '../../core/schedule/rule.ts';
import type { Desk } from '../../runner/desk.ts';
import { loadJobs } from '../../store/jobs.ts';
import { type Board, type JobRow, lateBecause, readBoard } from '../cron/rows.ts';
import { type Check, count, failure, fine, warning } from './check.ts';
import { tickAge } from './work.ts';

const DAY = 24 * 3_600_000;

/** What is wrong with the jobs that the caller may see, one check each; a single one where all is well. */
export function checkJobs(desk: Desk): Check[] {
  const now = desk.context.now();
  const read = loadJobs(desk);
  if (read.state === 'unreadable')
    return [
      failure(
        'jobs',
        `cannot be read: ${read.reason}; it is left in place, and no job runs`,
        read.file,
        `mend it with an editor: ${read.file}`,
      ),
    ];
  const board = readBoard(desk, now);
  const checks = [
    ...board.invalid.map(({ id, name, index, problem }) =>
      warning(
        'jobs',
        `job ${id ?? name ?? `number ${index + 1}`} cannot be used: ${problem}`,
        read.file,
        'claw cron list',
      ),
    ),
    ...board.rows.flatMap(row => checksOf(desk, board, row, now)),
  ];
  return checks.length > 0 ? checks : [fine('jobs', count(board.rows.length, 'job'), read.file)];
}

function checksOf(desk: Desk, { list }: Board, row: JobRow, now: number): Check[] {
  const { job, state, outlook, untrusted } = row;
  const { id } = job;
  const look = (what: string, fix: string) => warning('jobs', `job ${id} ${what}`, list.file, fix);
  const agentId = agentOfJob(job, defaultAgentId(desk.config));
  const checks: Check[] = [];
  if (untrusted !== null)
    checks.push(
      failure(
        'jobs',
        `the command of job ${id} is not run: ${untrusted}`,
        list.file,
        `chmod go-w ${list.file}`,
      ),
    );
  if (job.enabled && !agentIds(desk.config).includes(agentId))
    checks.push(
      look(
        `is of agent ${agentId}, which is not configured: it never runs`,
        `claw cron edit ${id} --agent ID`,
      ),
    );
  if (outlook.idle === 'failures')
    checks.push(
      look(`was switched off: ${state.disabled?.reason}`, `claw cron runs ${id}; claw cron enable ${id}`),
    );
  else if (state.failures >= rulesOf(job, desk.config.cron).alertAfter)
    checks.push(
      look(
        `has failed ${state.failures} times in a row: ${state.last?.error?.message ?? ''}`,
        `claw cron runs ${id}`,
      ),
    );
  if (outlook.late) {
    const enabled = desk.config.cron?.enabled !== false;
    const reason = lateBecause(row, { enabled, last: tickAge(desk), now });
    // Switched off on purpose is nobody's trouble.
    if (enabled) checks.push(look(`is late: ${reason}`, 'claw cron status'));
  }
  if (state.position !== null && state.position > now + DAY)
    checks.push(
      look('has run in the future: the clock was ahead, or is behind now', 'look at the clock: date'),
    );
  return checks;
}
