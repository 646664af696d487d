import { describe, expect, it } from 'vitest';
import {
  definitionOf,
  idFromName,
  idProblem,
  type Job,
  patchJob,
  readJob,
  settledSchedule,
  writtenJob,
} from '../../../src/core/schedule/job.ts';

const T = 1_795_000_000_000;
const setting = {
  agentId: 'main',
  definedAt: T,
  zone: { name: 'Europe/Stockholm' },
  hasAccount: () => false,
};
const BARE = {
  id: 'a',
  schedule: { kind: 'every', everyMs: 60_000 },
  payload: { kind: 'agentTurn', message: 'm' },
};
const read = (part: object, base: object = BARE) => readJob({ ...base, ...part }, setting);

function job(part: object = {}): Job {
  const made = read(part);
  if (!made.ok) throw new Error(made.problem);
  return made.job;
}

/** More deeply than JSON.stringify goes; JSON.parse reads it. */
const nested = () => JSON.parse('['.repeat(20_000) + ']'.repeat(20_000));

describe('a definition', () => {
  it('needs id, schedule and payload alone', () => {
    expect(job()).toEqual({
      id: 'a',
      name: 'm',
      enabled: true,
      schedule: { kind: 'every', everyMs: 60_000, anchorMs: T },
      sessionTarget: 'isolated',
      wakeMode: 'next-heartbeat',
      payload: { kind: 'agentTurn', message: 'm' },
    });
  });

  it.each<[string, object, object]>([
    ['a period as text', { schedule: { every: '2h' } }, { schedule: { kind: 'every', everyMs: 7_200_000 } }],
    [
      'an expression in the zone of the user',
      { schedule: { cron: '0  7 * * *' } },
      { schedule: { kind: 'cron', expr: '0 7 * * *', tz: 'Europe/Stockholm' } },
    ],
    ['an expression alone', { schedule: '0 7 * * *' }, { schedule: { kind: 'cron', expr: '0 7 * * *' } }],
    ['a schedule beside the id', { schedule: undefined, every: '2h' }, { schedule: { everyMs: 7_200_000 } }],
    [
      'a time as ISO 8601',
      { schedule: { at: '2026-12-01T00:00:00Z' } },
      { schedule: { kind: 'at', atMs: Date.parse('2026-12-01T00:00:00Z') } },
    ],
    [
      'a command as one text',
      { payload: { command: 'df -h' } },
      { payload: { kind: 'exec', command: ['sh', '-c', 'df -h'] } },
    ],
    [
      'a command as words',
      { payload: { command: ['df', '-h'] } },
      { payload: { kind: 'exec', command: ['df', '-h'] } },
    ],
    [
      'a text is an event of the main session',
      { payload: { text: ' t ' } },
      { sessionTarget: 'main', payload: { kind: 'systemEvent', text: 't' } },
    ],
    [
      'a delivery beside the id',
      { deliver: true, provider: ' TeleGram ', to: 5 },
      { payload: { deliver: true, channel: 'telegram', to: '5' } },
    ],
    [
      'a delivery as newer stores have it',
      { delivery: { mode: 'announce', channel: 'x', to: 'y' } },
      { payload: { deliver: true, channel: 'x', to: 'y' } },
    ],
    [
      'the key of a session',
      { sessionTarget: 'telegram:group:-100' },
      { sessionTarget: 'agent:main:telegram:group:-100' },
    ],
    [
      'a key of the agent',
      { agentId: 'Work', sessionTarget: 'group:1@g.us' },
      { agentId: 'work', sessionTarget: 'agent:work:whatsapp:group:1@g.us' },
    ],
  ])('is read: %s', (_, part, expected) => {
    expect(read(part)).toMatchObject({ ok: true, job: expected });
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', 7, /not an object/],
    ['no id', { ...BARE, id: undefined }, /no id/],
    ['an id that is a path', { ...BARE, id: '../x' }, /an id is made of/],
    ['an id that ends in a dot', { ...BARE, id: 'x.' }, /ends in no dot/],
    ['a blank name', { ...BARE, name: '  ' }, /name " +": expected a text/],
    ['no schedule', { ...BARE, schedule: undefined }, /schedule/],
    ['an expression out of range', { ...BARE, schedule: { cron: '61 * * * *' } }, /schedule/],
    ['an unknown zone', { ...BARE, schedule: { cron: '* * * * *', tz: 'Mars/Base' } }, /Mars\/Base/],
    ['no payload', { ...BARE, payload: undefined }, /no payload/],
    [
      'an unknown kind',
      { ...BARE, payload: { kind: 'dance' } },
      /payload.kind "dance": expected one of systemEvent/,
    ],
    [
      'an event elsewhere than in main',
      { ...BARE, payload: { text: 't' }, sessionTarget: 'isolated' },
      /does not go with/,
    ],
    ['a turn in main', { ...BARE, sessionTarget: 'main' }, /does not go with/],
    [
      'a command in a session',
      { ...BARE, payload: { command: 'x' }, sessionTarget: 'agent:main:main' },
      /does not go with/,
    ],
    [
      'a session of another agent',
      { ...BARE, agentId: 'work', sessionTarget: 'agent:main:main' },
      /another agent/,
    ],
    ['a switch that is a word', { ...BARE, enabled: 'no' }, /enabled/],
    ['a grace without a unit', { ...BARE, grace: '30' }, /grace/],
    ['half a try', { ...BARE, retries: 0.5 }, /retries/],
    ['a budget of nothing', { ...BARE, budget: { runsPerDay: 0 } }, /budget.runsPerDay/],
    ['a kind nested without end', { ...BARE, payload: { kind: nested() } }, /nested too deeply/],
    ['a number nested without end', { ...BARE, retries: nested() }, /nested too deeply/],
  ])('is refused with its reason: %s', (_, raw, reason) => {
    const found = readJob(raw, setting);
    expect(found.ok ? 'taken' : found.problem).toMatch(reason);
  });

  it('names the keys it does not know, and keeps them when it is written', () => {
    const raw = { ...BARE, nme: 'x', payload: { ...BARE.payload, modell: 'y' }, state: { nextRunAtMs: 1 } };
    const made = readJob(raw, setting);
    expect(made).toMatchObject({ unknown: [{ path: 'nme' }, { path: 'payload.modell' }] });
    expect(made.ok && writtenJob(made.job, raw)).toMatchObject({
      nme: 'x',
      payload: { message: 'm', modell: 'y' },
      state: { nextRunAtMs: 1 },
    });
  });

  it('keeps the anchor and the zone it was first seen with, as long as the rest of the schedule stays', () => {
    const made = read({});
    expect(made).toMatchObject({ assumed: ['anchor'] });
    const seen = { schedule: { kind: 'every', everyMs: 60_000, anchorMs: 7 } } as const;
    const now = { kind: 'every', everyMs: 60_000, anchorMs: T } as const;
    expect(settledSchedule(now, ['anchor'], seen)).toEqual(seen.schedule);
    expect(settledSchedule(now, [], seen)).toBe(now);
    expect(settledSchedule({ ...now, everyMs: 5 }, ['anchor'], seen)).toMatchObject({ anchorMs: T });
    const cron = { kind: 'cron', expr: '0 7 * * *', tz: 'Asia/Tokyo' } as const;
    expect(settledSchedule(cron, ['zone'], { schedule: { ...cron, tz: 'UTC' } })).toMatchObject({
      tz: 'UTC',
    });
  });
});

describe('the name of a definition', () => {
  it.each<[string, object]>([
    ['its text', { payload: { kind: 'agentTurn', message: 'n' } }],
    ['its name', { name: 'other' }],
    ['its model', { payload: { kind: 'agentTurn', message: 'm', model: 'x' } }],
    ['its target', { sessionTarget: 'agent:main:main' }],
    ['its grace', { grace: '1h' }],
    ['its precheck', { precheck: 'true' }],
    ['its budget', { budget: { runsPerDay: 1 } }],
  ])('changes with %s', (_, part) => {
    expect(definitionOf(job(part))).not.toBe(definitionOf(job()));
  });

  it.each<[string, object]>([
    ['its schedule', { schedule: { every: '2h' } }],
    ['its switch', { enabled: false }],
    ['when it was written', { createdAtMs: 1, updatedAtMs: 2 }],
  ])('does not change with %s', (_, part) => {
    expect(definitionOf(job(part))).toBe(definitionOf(job()));
  });
});

describe('a patch', () => {
  const full = job({
    payload: { kind: 'agentTurn', message: 'm', model: 'x', deliver: true, to: '1' },
    budget: { runsPerDay: 2, tokensPerDay: 9 },
  });
  const patch = (part: object) => patchJob({ ...full }, full, { ...part }, setting);

  it.each<[string, object, object]>([
    ['replaces a field', { name: 'n' }, { name: 'n', payload: { model: 'x' } }],
    ['merges the payload', { payload: { message: 'n' } }, { payload: { message: 'n', model: 'x', to: '1' } }],
    [
      'takes part of the payload back',
      { payload: { to: null } },
      { payload: { kind: 'agentTurn', message: 'm', model: 'x', deliver: true } },
    ],
    ['merges the budget', { budget: { runsPerDay: null } }, { budget: { tokensPerDay: 9 } }],
    [
      'changes the kind, and the target with it',
      { payload: { kind: 'systemEvent', text: 't' } },
      { sessionTarget: 'main', payload: { kind: 'systemEvent', text: 't' } },
    ],
    [
      'keeps the delivery from turn to command',
      { payload: { kind: 'exec', command: ['x'] } },
      { payload: { kind: 'exec', command: ['x'], deliver: true, to: '1' } },
    ],
  ])('%s', (_, part, expected) => {
    const made = patch(part);
    expect(made.ok && made.job).toMatchObject(expected);
    if ('payload' in expected && 'payload' in part && made.ok && 'to' in (part.payload as object))
      expect(made.job.payload).toEqual(expected.payload);
  });

  it('is refused where another kind says nothing', () => {
    expect(patch({ payload: { kind: 'exec' } })).toMatchObject({ ok: false });
    expect(patch({ payload: { kind: 'systemEvent' } })).toMatchObject({ ok: false });
  });
});

describe('an id', () => {
  it('comes from the name, with a tail where that is taken', () => {
    const none = () => false;
    expect(idFromName('Möte: news!', 'abcdef', none)).toBe('mote-news');
    expect(idFromName('早', 'abcdef', none)).toBe('job');
    expect(idFromName('a', 'abcdef', id => id === 'a')).toBe('a-abcd');
    expect(idFromName('a', 'abcdef', id => id !== 'a-abcdef')).toBe('a-abcdef');
  });

  it.each(['a', 'A-1', 'a.b_c', '0'])('may be %s', id => expect(idProblem(id)).toBeNull());
  it.each(['', '-a', '.a', 'a/b', 'a:b', 'a.', 'ä', 'a b', 'x'.repeat(101)])('may not be %j', id =>
    expect(idProblem(id)).not.toBeNull(),
  );
});
