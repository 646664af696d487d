/**
 * A job as `cron/jobs.json` holds it: what its author wrote, nothing of its past. The past is in its run records
 * (`run-record.ts`), so a file edited by hand is used as it stands.
 */
import type { StoredSchedule } from './schedule.ts';

export type CatchUp = 'skip' | 'once' | 'all';

/** Who gets what a run says. `channel` may be `last`; without `to` it is whoever the main session heard last. */
export interface JobDelivery {
  deliver?: boolean;
  channel?: string;
  to?: string;
  /** account of the channel that sends */
  accountId?: string;
  /** a delivery that cannot be made does not make the run a failure */
  bestEffortDeliver?: boolean;
}

export type JobPayload =
  | { kind: 'systemEvent'; text: string }
  | ({
      kind: 'agentTurn';
      message: string;
      model?: string;
      thinking?: string;
      timeoutSeconds?: number;
    } & JobDelivery)
  | ({ kind: 'exec'; command: string[]; timeoutSeconds?: number } & JobDelivery);

/** Times are epoch ms; durations are texts with a unit, as in the config. */
export interface Job {
  /** a file name on every system: `[A-Za-z0-9][A-Za-z0-9._-]*` */
  id: string;
  name: string;
  description?: string;
  agentId?: string;
  enabled: boolean;
  createdAtMs?: number;
  updatedAtMs?: number;
  schedule: StoredSchedule;
  /** `main`, `isolated`, or the key of a session the turn runs in */
  sessionTarget: string;
  wakeMode: 'now' | 'next-heartbeat';
  payload: JobPayload;
  deleteAfterRun?: boolean;
  catchUp?: CatchUp;
  /** how late an instant may still be run */
  grace?: string;
  /** further tries of a failed run */
  retries?: number;
  /** failures in a row that disable it; 0: never */
  disableAfter?: number;
  /** a command line for `sh -c`, asked before each run: exit 0 = there is something to do, 1 = nothing */
  precheck?: string;
  /** most of a day, in the zone of the user */
  budget?: { runsPerDay?: number; tokensPerDay?: number };
  /** what the main session hears of an isolated run */
  isolation?: {
    postToMainMode?: 'summary' | 'full' | 'none';
    postToMainPrefix?: string;
    postToMainMaxChars?: number;
  };
}
