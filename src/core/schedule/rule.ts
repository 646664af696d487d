/** The rules a job is run by: what it says itself, what the config says for all (`cron`), what holds else. */
import type { ConfigInput } from '../../config/schema.ts';
import { parseDuration } from './duration.ts';
import type { CatchUp, Job } from './job.ts';

/** What holds where neither job nor config say anything. */
export const CRON_DEFAULTS = {
  enabled: true,
  // A job of five minutes must not delay one that is due in one.
  maxConcurrentRuns: 4,
  catchUp: 'once',
  retry: { attempts: 2, delay: '30s', maxDelay: '1h' },
  alert: { after: 3 },
  disableAfter: 10,
  retention: { keep: 500 },
} as const;

/** What holds for a job: its own settings, else those of the config (`cron`), else the defaults. Lengths in ms. */
export interface JobRules {
  catchUp: CatchUp;
  /** null: what follows from its period */
  graceMs: number | null;
  retries: number;
  retryDelayMs: number;
  retryMaxDelayMs: number;
  /** 0: never */
  disableAfter: number;
  alertAfter: number;
  /** null: once until it has worked again */
  alertCooldownMs: number | null;
  runsPerDay: number;
  tokensPerDay: number;
}

export function rulesOf(job: Job, cron: ConfigInput['cron']): JobRules {
  const { retry } = CRON_DEFAULTS;
  const ms = (text: string | undefined) => (text === undefined ? null : parseDuration(text));
  // A reminder runs however late; the config's limit is for what comes again.
  const grace = job.grace ?? (job.schedule.kind === 'at' ? undefined : cron?.grace);
  // A command may have done half of its work when it fails.
  const isExec = job.payload.kind === 'exec';
  return {
    catchUp: job.catchUp ?? cron?.catchUp ?? CRON_DEFAULTS.catchUp,
    graceMs: ms(grace),
    retries: job.retries ?? (isExec ? 0 : (cron?.retry?.attempts ?? retry.attempts)),
    retryDelayMs: ms(cron?.retry?.delay ?? retry.delay)!,
    retryMaxDelayMs: ms(cron?.retry?.maxDelay ?? retry.maxDelay)!,
    disableAfter: job.disableAfter ?? cron?.disableAfter ?? CRON_DEFAULTS.disableAfter,
    alertAfter: cron?.alert?.after ?? CRON_DEFAULTS.alert.after,
    alertCooldownMs: ms(cron?.alert?.cooldown),
    runsPerDay: job.budget?.runsPerDay ?? Number.POSITIVE_INFINITY,
    tokensPerDay: job.budget?.tokensPerDay ?? Number.POSITIVE_INFINITY,
  };
}
