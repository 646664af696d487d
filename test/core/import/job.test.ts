import { describe, expect, it } from 'vitest';
import { readJob } from '../../../src/core/import/job.ts';

const T = 1_767_225_600_000;
const job = (part: object) => ({
  id: 'j1',
  name: 'n',
  enabled: true,
  schedule: { kind: 'at', atMs: T },
  sessionTarget: 'main',
  wakeMode: 'now',
  payload: { kind: 'systemEvent', text: 't' },
  ...part,
});
const agentTurn = { sessionTarget: 'isolated', payload: { kind: 'agentTurn', message: 'm' } };

/** More deeply than JSON.stringify goes; JSON.parse reads it. */
const nested = () => JSON.parse('['.repeat(20_000) + ']'.repeat(20_000));

describe('a job of an older store', () => {
  it.each<[string, object, object]>([
    ['an instant as ms', { schedule: { kind: 'at', atMs: T } }, { kind: 'at', atMs: T }],
    ['an instant as text', { schedule: { kind: 'at', at: '2026-01-01T00:00:00Z' } }, { kind: 'at', atMs: T }],
    [
      'a period',
      { schedule: { kind: 'every', everyMs: 60_000 }, createdAtMs: T },
      { kind: 'every', everyMs: 60_000, anchorMs: T },
    ],
    ['a period as text', { schedule: { every: '30m' } }, { kind: 'every', everyMs: 1_800_000 }],
    [
      'an expression',
      { schedule: { kind: 'cron', expr: '0 8 * * *', tz: 'Europe/Stockholm' } },
      { kind: 'cron', expr: '0 8 * * *', tz: 'Europe/Stockholm' },
    ],
    [
      'an older expression',
      { schedule: { cron: '0  8 * * MON', timezone: 'UTC' } },
      { kind: 'cron', expr: '0 8 * * MON', tz: 'UTC' },
    ],
    ['only the expression', { schedule: '*/5 * * * *' }, { kind: 'cron', expr: '*/5 * * * *' }],
  ])('keeps its schedule: %s', (_, part, schedule) => {
    expect(readJob(job(part))).toMatchObject({ ok: true, job: { id: 'j1', schedule } });
  });

  it('takes delivery from beside the payload too', () => {
    const delivery = { mode: 'announce', channel: 'telegram', to: 5, bestEffort: true };
    expect(readJob(job({ ...agentTurn, delivery }))).toMatchObject({
      job: { payload: { deliver: true, channel: 'telegram', to: '5', bestEffortDeliver: true } },
    });
  });

  it('does not start an instant anew that was run there', () => {
    const read = readJob(job({ state: { lastRunAtMs: T + 1 } }));
    expect(read).toMatchObject({ ok: true, job: { enabled: false } });
    expect(read.ok && 'state' in read.job).toBe(false);
  });

  it('says what it leaves out', () => {
    expect(readJob(job({ failureAlert: {} }))).toMatchObject({ notes: ['left out: failureAlert'] });
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', 7, /not an object/],
    ['no id', job({ id: undefined }), /no id/],
    ['an id that is a path', job({ id: '../x' }), /file name/],
    ['no schedule', job({ schedule: undefined }), /no schedule/],
    ['no period', job({ schedule: { kind: 'every', everyMs: 0 } }), /period/],
    ['a wrong expression', job({ schedule: { kind: 'cron', expr: 'often' } }), /no cron expression/],
    ['target and payload apart', job({ sessionTarget: 'isolated' }), /does not go with/],
    ['less than a moment', job({ schedule: { kind: 'every', everyMs: 1e-9 } }), /period/],
    ['a period nested without end', job({ schedule: { kind: 'every', every: nested() } }), /period a list/],
    ['a time nested without end', job({ schedule: { kind: 'at', at: nested() } }), /time a list/],
    ['a target nested without end', job({ sessionTarget: nested() }), /sessionTarget a list/],
    ['no text', job({ payload: { kind: 'systemEvent', text: ' ' } }), /no text/],
  ])('is refused with its reason: %s', (_, raw, reason) => {
    const read = readJob(raw);
    expect(read.ok ? 'taken' : read.reason).toMatch(reason);
  });
});
