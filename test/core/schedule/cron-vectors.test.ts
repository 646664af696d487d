/** The conformance vectors about schedules: when they are due, which of them are refused, how options say them. */
import { expect, test } from 'vitest';
import { scheduleOption } from '../../../src/commands/cron/schedule-option.ts';
import { ClawError } from '../../../src/core/errors.ts';
import {
  nextAfter,
  readSchedule,
  type Schedule,
  storedSchedule,
} from '../../../src/core/schedule/schedule.ts';
import vectors from '../../fixtures/vectors/cron-schedule.json' with { type: 'json' };

/** Vectors that do not hold for claw, with the reason. */
const LEFT_OUT: Record<string, string> = {};

interface Given {
  op: string;
  input?: { schedule: Record<string, unknown> };
  args?: string[];
  now?: string;
  tz?: string;
}

const iso = (instant: number | null) => (instant === null ? null : new Date(instant).toISOString());

/** The schedule that one option says, or null when it is refused. */
function fromOption({ args = [], now = '2026-01-12T10:00:00Z', tz = 'UTC' }: Given): Schedule | null {
  const [option = '', value] = args;
  try {
    const zone = { name: tz, isHost: false };
    return scheduleOption({ [option.slice(2)]: value }, { now: Date.parse(now), zone });
  } catch (error) {
    if (error instanceof ClawError && error.exit === 'usage') return null;
    throw error;
  }
}

function run(given: Given): object {
  const { op, input, now = '2026-01-12T10:00:00Z', tz = 'UTC' } = given;
  const read = readSchedule(input?.schedule, { anchorMs: Date.parse(now), tz });
  switch (op) {
    case 'nextRun':
      return {
        // What never fires is refused before it could be asked.
        nextRunAt: read.ok
          ? iso(nextAfter(read.schedule, Date.parse(now), { name: tz, isHost: false }))
          : null,
      };
    case 'validateCron':
      return { valid: read.ok };
    case 'normalizeSchedule':
      return read.ok ? storedSchedule(read.schedule) : {};
    case 'parseAt': {
      const schedule = fromOption(given);
      return { at: schedule?.kind === 'at' ? iso(schedule.at) : null };
    }
    case 'parseEvery': {
      const schedule = fromOption(given);
      return { everyMs: schedule?.kind === 'every' ? schedule.everyMs : null };
    }
    default:
      throw new Error(`no adapter for ${op}`);
  }
}

const toRun = vectors.filter(({ id }) => LEFT_OUT[id] === undefined);

test.each(toRun.map(vector => [vector.id, vector.note, vector] as const))('%s %s', (_id, _note, vector) => {
  const { alsoAcceptable: _, ...expected } = vector.expect as Record<string, unknown>;
  expect(run(vector.given as Given)).toMatchObject(expected);
});

test('every vector is run or left out with a reason', () => {
  const ids = vectors.map(({ id }) => id);
  expect(new Set(ids).size).toBe(64);
  expect(Object.keys(LEFT_OUT).filter(id => !ids.includes(id))).toEqual([]);
  expect(toRun.length + Object.keys(LEFT_OUT).length).toBe(ids.length);
});
