/** Checks of jobs: which cannot be used, are switched off by failures, keep failing, or should have run. `status` makes them too. */
import { agentIds, defaultAgentId } from '../../core/routing/binding.ts';
import { conditionOf, isLost } from '../../core/schedule/glance.ts';
import { agentOfJob } from '../../core/schedule/job.ts';
import { rulesOf } from '../../core/schedule/rule.ts';
import type { Desk } from '../../runner/desk.ts';
import { loadJobs } from '../../store/jobs.ts';
import { type Board, type JobRow, lateBecause, notesOnKeys, readBoard } from '../cron/rows.ts';
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
    ...checkInvalid(board),
    ...checkKeys(board),
    ...board.rows.flatMap(row => checksOf(desk, board, row, now)),
    ...checkLost(board),
  ];
  return checks.length > 0 ? checks : [fine('jobs', count(board.rows.length, 'job'), read.file)];
}

/** So many are named; of more there is a number. */
const NAMED = 5;

/** A remedy that all of them share is said once. */
function checkInvalid({ invalid, list }: Board): Check[] {
  const named = invalid
    .slice(0, NAMED)
    .map(({ id, name, index, problem }) => `${id ?? name ?? `number ${index + 1}`} (${problem})`);
  if (invalid.length === 0) return [];
  const what = invalid.length === 1 ? 'job' : `${invalid.length} jobs`;
  return [
    warning('jobs', `${what} ${inLine(named, invalid.length)} cannot be used`, list.file, 'claw cron list'),
  ];
}

/** Reminders that nobody was told of, and what else was due once and was not done, while it stands in the file. */
function checkLost({ rows, list }: Board): Check[] {
  const lost = rows
    .map(row => ({ id: row.job.id, condition: conditionOf(row) }))
    .filter(({ condition }) => isLost(condition));
  if (lost.length === 0) return [];
  const named = lost.slice(0, NAMED).map(({ id, condition }) => `${id} (${condition.slice('over:'.length)})`);
  const [{ id }] = lost as [(typeof lost)[0]];
  return [
    warning(
      'jobs',
      `${count(lost.length, 'job')} that ${lost.length === 1 ? 'was' : 'were'} due once and not done: ${inLine(named, lost.length)}`,
      list.file,
      `claw cron runs ${id}; then claw cron run ${id} --force, or claw cron remove ${id}`,
    ),
  ];
}

/** Keys without a meaning are likely misspelled. */
function checkKeys({ rows, list }: Board): Check[] {
  const notes = rows.flatMap(row => notesOnKeys(row.job, row.stored.unknown));
  if (notes.length === 0) return [];
  return [
    warning(
      'jobs',
      inLine(notes.slice(0, NAMED), notes.length, '; '),
      list.file,
      `mend it with an editor: ${list.file}`,
    ),
  ];
}

function inLine(named: string[], number: number, between = ', '): string {
  const more = number > named.length ? [`and ${number - named.length} more`] : [];
  return [...named, ...more].join(between);
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
