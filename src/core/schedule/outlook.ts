/** What a job looks forward to, cheaply: for listings and ticks over a thousand of them. */
import type { ConfigInput } from '../../config/schema.ts';
import { type DueFacts, nextDue } from './due.ts';
import { definitionOf, type Job } from './job.ts';
import { rulesOf } from './rule.ts';
import { isSameTimes, type JobState } from './run-record.ts';
import type { StoredSchedule } from './schedule.ts';
import { dayOf, localTimeAt, type Zone } from './zone.ts';

const DAY = 24 * 60 * 60_000;
/** A timer ticks once a minute; what is due for longer was not looked at in time, ms. */
const LATE = 2 * 60_000;

export interface Outlook {
  /** the instant (or further try) that is due now or next, epoch ms; null: none */
  next: number | null;
  /** it should have been started some while ago */
  late: boolean;
  /** why there is no next one, where that is no matter of time */
  idle: 'disabled' | 'failures' | 'done' | null;
}

/** What everything about due instants needs beside job and state. `definition` is only made when it is asked for. */
export function dueFacts(
  job: Job,
  at: { now: number; definedAt: number; zone: Zone; cron: ConfigInput['cron'] },
): DueFacts {
  const { now, definedAt, zone, cron } = at;
  return {
    now,
    definedAt,
    host: zone,
    get rules() {
      return rulesOf(job, cron);
    },
    get today() {
      return dayOf(localTimeAt(zone, now));
    },
    get definition() {
      return definitionOf(job);
    },
  };
}

/**
 * As `nextDue`, but without reckoning where the state and a remembered instant already say it.
 *
 * @param job with its settled schedule
 * @param nextInstant first instant of a schedule after another; remembers what it was asked
 */
export function outlookOf(
  job: Job,
  state: JobState,
  facts: DueFacts,
  nextInstant: (schedule: StoredSchedule, after: number) => number | null,
): Outlook {
  const { now } = facts;
  const isKnown = state.seen !== null && isSameTimes(state.seen, job);
  if (!job.enabled) return { next: null, late: false, idle: 'disabled' };
  if (isKnown && state.done) return { next: null, late: false, idle: 'done' };
  // A job that was never seen counts from when it was written.
  const from =
    state.seen === null
      ? Math.min(facts.definedAt, now)
      : isKnown && state.position !== null
        ? state.position
        : null;
  const isPlain = state.disabled === null && state.retry === null && state.behind.length === 0;
  if (isPlain && from !== null && from <= now + DAY) {
    const next = nextInstant(job.schedule, from);
    if (next === null || next > now) return { next, late: false, idle: null };
  }
  const next = nextDue(job, state, facts);
  const idle = next === null && state.disabled !== null ? 'failures' : null;
  return { next, late: next !== null && next < now - LATE, idle };
}
