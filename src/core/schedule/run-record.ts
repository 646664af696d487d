/**
 * The past of a job: `cron/runs/<id>.jsonl`, one line per thing that happened, append-only. What stands here and the
 * definition are all that decides when the job is due; nothing else is stored about it.
 */
import type { Usage } from '../session/transcript.ts';
import type { StoredSchedule } from './schedule.ts';

/**
 * `ok`, `error`, `timeout`: it ran. `skipped`: it was due and there was a reason not to run it. `missed`: nobody was
 * there in time. `interrupted`: its owner died and it is not tried again. `queued`: its event waits for a turn, and `ok`
 * follows under the same run id. `cancelled`: a person ended it. `superseded`: its further try gave way to a newer instant.
 */
export type RunStatus =
  | 'ok'
  | 'error'
  | 'timeout'
  | 'skipped'
  | 'missed'
  | 'interrupted'
  | 'queued'
  | 'cancelled'
  | 'superseded';

export type RunTrigger = 'schedule' | 'retry' | 'manual' | 'wake';

/** How one instant (or a stretch of them) ended. Times are epoch ms. */
export interface RunRecord {
  action: 'finished';
  ts: number;
  jobId: string;
  runId: string;
  status: RunStatus;
  trigger: RunTrigger;
  /** the instant of the schedule; absent for a run by hand */
  dueAt?: number;
  /** consecutive instants that share this record: the first, the last, how many (at least, with `more`) */
  from?: number;
  to?: number;
  count?: number;
  more?: true;
  /** 1 for the first start at this instant */
  attempt?: number;
  startedAt?: number;
  durationMs?: number;
  /** how long after its instant it started */
  lateMs?: number;
  /** why it was skipped, missed or put off; a word that scripts may rely on, such as `overlap` */
  reason?: string;
  error?: { code: string; message: string; hint?: string };
  /** trouble that will pass (exit 75): it is tried again and disables nothing */
  temporary?: true;
  /** what it said, clipped */
  summary?: string;
  agentId?: string;
  sessionKey?: string;
  sessionId?: string;
  model?: string;
  usage?: Usage;
  /** what became of what it said */
  delivery?: { status: string; channel?: string; to?: string; reason?: string; id?: string };
  /** of a failure: when it is tried again */
  retryAt?: number;
  /** of a heartbeat: `ok-token` or `ok-empty` (nothing to tell), `sent`, `skipped` (something to tell, and a reason) */
  event?: 'ok-token' | 'ok-empty' | 'sent' | 'skipped';
  /** of a heartbeat that told something: a hash of it, so that it is told once */
  said?: string;
}

/** A definition was seen for the first time, or is another one than before. */
export interface SeenRecord {
  action: 'seen';
  ts: number;
  jobId: string;
  /** with anchor and zone, whatever the file left out */
  schedule: StoredSchedule;
  enabled: boolean;
  /** names the rest of the definition */
  definition: string;
  /** only later instants count */
  from: number;
}

/** Something decided about a job beside its runs. */
export interface DecisionRecord {
  action: 'disabled' | 'enabled' | 'alerted' | 'recovered' | 'clock' | 'dropped';
  ts: number;
  jobId: string;
  reason?: string;
  /** `clock`: instants count from here, because what was known lay in a future that did not come */
  from?: number;
}

/** The state of everything before it, written when older lines are removed. */
export interface StateRecord {
  action: 'state';
  ts: number;
  jobId: string;
  state: JobState;
}

export type RunLine = RunRecord | SeenRecord | DecisionRecord | StateRecord;

/** What the lines of a job come to. */
export interface JobState {
  seen: SeenRecord | null;
  /** every instant up to here is accounted for; null before the first `seen` */
  position: number | null;
  /** failures since the last success, and when the newest was */
  failures: number;
  failedAt: number | null;
  /** disabled by failures, until somebody enables or changes it */
  disabled: { at: number; reason: string } | null;
  /** a further try that is still to come */
  retry: { dueAt: number; attempt: number; at: number } | null;
  /** events that wait for their turn, by run id */
  queued: { runId: string; dueAt?: number; at: number }[];
  /** an `at` job whose one instant has been done */
  done: boolean;
  /** newest run that started, and how it ended */
  last: Pick<
    RunRecord,
    'ts' | 'status' | 'runId' | 'dueAt' | 'startedAt' | 'durationMs' | 'reason' | 'error' | 'trigger'
  > | null;
  alertedAt: number | null;
  /** starts and tokens of one day (its local date) */
  spent: { day: string; runs: number; tokens: number };
}
