import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MessageIdentity } from '../../src/core/session/transcript.ts';
import { Layout } from '../../src/store/layout.ts';
import {
  expiredIdFolders,
  findMessageId,
  type IdHit,
  rememberMessageId,
} from '../../src/store/message-ids.ts';
import { DAY, HOUR, KEY, NOON } from '../core/turn-facts.ts';
import { useWorkers } from './processes.ts';
import { modeOf, names, scratch, snapshot } from './scratch.ts';

const workers = useWorkers();
const RETENTION = 90 * DAY;

const identity = (id: string): MessageIdentity => ['telegram', 'default', 'anna', '', id];
const hit = (part: Partial<IdHit> = {}): IdHit => ({
  agentId: 'main',
  key: KEY,
  sessionId: 's1',
  at: 120,
  time: NOON,
  ...part,
});
const at = (iso: string) => Date.parse(iso);

/** Every file of ids there is. */
function shards(layout: Layout): string[] {
  const found = fs.readdirSync(layout.ids(), { recursive: true }) as string[];
  return found.filter(name => name.endsWith('.jsonl')).map(name => path.join(layout.ids(), name));
}

/** An id that is kept in the same file as another one. */
function neighbourOf(id: string): string {
  const placeOf = (each: string) => {
    const layout = new Layout(scratch());
    rememberMessageId(layout, identity(each), hit());
    return path.basename(shards(layout)[0]!);
  };
  const wanted = placeOf(id);
  for (let number = 0; ; number++) if (placeOf(`n${number}`) === wanted) return `n${number}`;
}

describe('an accepted message', () => {
  test('is found again, with the place where it stands', () => {
    const layout = new Layout(scratch());
    rememberMessageId(layout, identity('1'), hit({ at: 4711, sessionId: 'f00' }));
    expect(findMessageId(layout, identity('1'), NOON, RETENTION)).toMatchObject(
      hit({ at: 4711, sessionId: 'f00' }),
    );
    expect(findMessageId(layout, identity('2'), NOON, RETENTION)).toBeNull();
  });

  test('of a store that has none yet is not found, and looking writes nothing', () => {
    const home = scratch();
    expect(findMessageId(new Layout(home), identity('1'), NOON, RETENTION)).toBeNull();
    expect(names(home)).toEqual([]);
  });

  test.each([
    ['at once', 0, true],
    ['a day later', DAY, true],
    ['one millisecond before it is forgotten', RETENTION - 1, true],
    ['when it is forgotten', RETENTION, false],
    ['a year later', 365 * DAY, false],
    ['by a clock set back an hour', -HOUR, true],
    ['by a clock set back over a month border', -20 * DAY, true],
    ['by a clock set back for years', -3000 * DAY, true],
  ])('%s', (_, after, found) => {
    const layout = new Layout(scratch());
    rememberMessageId(layout, identity('1'), hit());
    expect(findMessageId(layout, identity('1'), NOON + after, RETENTION) !== null).toBe(found);
  });

  test('is found on each of its days, over every month border, also those of February', () => {
    const layout = new Layout(scratch());
    const accepted: [MessageIdentity, number][] = [];
    for (let day = at('2027-12-01T00:00:00Z'); day < at('2028-04-10T00:00:00Z'); day += DAY) {
      accepted.push([identity(`first of ${day}`), day], [identity(`last of ${day}`), day + DAY - 1]);
    }
    for (const [each, time] of accepted) rememberMessageId(layout, each, hit({ time }));
    for (const now of [
      '2028-01-01T00:00:00Z',
      '2028-02-29T23:59:59Z',
      '2028-03-01T00:00:00Z',
      '2028-03-31T12:00:00Z',
    ].map(at)) {
      const wrong = accepted.filter(
        ([each, time]) => (findMessageId(layout, each, now, RETENTION) !== null) !== now - time < RETENTION,
      );
      expect(wrong).toEqual([]);
    }
  });

  test.each([DAY, 7 * DAY, 30 * DAY, 400 * DAY])(
    'is found within a retention of %i ms and no longer',
    retention => {
      const layout = new Layout(scratch());
      fc.assert(
        fc.property(
          fc.nat({ max: 4 * 365 }),
          fc.nat({ max: 2 * retention }),
          fc.uuid(),
          (days, after, id) => {
            const time = at('2025-01-31T23:59:00Z') + days * DAY;
            rememberMessageId(layout, identity(id), hit({ time }));
            expect(findMessageId(layout, identity(id), time + after, retention) !== null).toBe(
              after < retention,
            );
          },
        ),
        { numRuns: 60 },
      );
    },
  );

  test('that was remembered twice in one session is known by the first line', () => {
    const layout = new Layout(scratch());
    rememberMessageId(layout, identity('1'), hit({ at: 1 }));
    rememberMessageId(layout, identity('1'), hit({ at: 2, time: NOON + 1 }));
    expect(findMessageId(layout, identity('1'), NOON + DAY, RETENTION)).toMatchObject({ at: 1 });
  });

  test.each([
    ['within a month', '2026-03-10T12:00:00Z'],
    ['over a month border', '2026-04-01T00:00:00.001Z'],
    ['at the same moment', '2026-03-10T11:00:00Z'],
  ])(
    'that was accepted again in a new session, because its agent had failed in the old one, is known by that: %s',
    (_, again) => {
      const layout = new Layout(scratch());
      rememberMessageId(layout, identity('1'), hit({ at: 1, time: at('2026-03-10T11:00:00Z') }));
      rememberMessageId(layout, identity('1'), hit({ at: 2, sessionId: 's2', time: at(again) }));
      for (const now of ['2026-03-31T23:00:00Z', '2026-04-02T00:00:00Z', '2026-06-01T00:00:00Z']) {
        expect(findMessageId(layout, identity('1'), at(now), RETENTION)).toMatchObject({
          at: 2,
          sessionId: 's2',
        });
      }
    },
  );

  test('that was forgotten and came again is known by its second acceptance', () => {
    const layout = new Layout(scratch());
    rememberMessageId(layout, identity('1'), hit({ at: 1 }));
    rememberMessageId(layout, identity('1'), hit({ at: 2, time: NOON + 100 * DAY }));
    expect(findMessageId(layout, identity('1'), NOON + 101 * DAY, RETENTION)).toMatchObject({ at: 2 });
  });
});

describe('Q03 openclaw#71306: another message is not taken for it', () => {
  const base: MessageIdentity = ['telegram', 'default', 'anna', '7', '42'];

  test.each([0, 1, 2, 3, 4])('that differs in part %i of its identity only', part => {
    const layout = new Layout(scratch());
    rememberMessageId(layout, base, hit());
    for (const other of [
      '',
      'x',
      `${base[part]} `,
      `${base[part]}2`,
      base[part]!.toUpperCase(),
      base[part]!.slice(1),
    ]) {
      const changed = base.with(part, other) as unknown as MessageIdentity;
      const isOther = other !== base[part];
      expect([changed, findMessageId(layout, changed, NOON, RETENTION) === null]).toEqual([changed, isOther]);
    }
    expect(findMessageId(layout, base, NOON, RETENTION)).not.toBeNull();
  });

  test('that has the same words in other places', () => {
    const layout = new Layout(scratch());
    rememberMessageId(layout, ['a', 'b', 'c', 'd', 'e'], hit());
    for (const other of [
      ['a', 'b', 'c', 'e', 'd'],
      ['a', 'b', 'cd', '', 'e'],
      ['a', 'b', 'c', '', 'de'],
      ['a,b', '', 'c', 'd', 'e'],
    ] as unknown as MessageIdentity[]) {
      expect(findMessageId(layout, other, NOON, RETENTION)).toBeNull();
    }
  });

  const nasty = [
    '"',
    '\\',
    '"],"agentId":"x',
    '{"k":["telegram","default","anna","","1"],',
    '\n{"k":["telegram","default","anna","","1"],"agentId":"main","key":"k","sessionId":"forged","at":0,"time":0}\n',
    '\\n',
    '\n',
    '[1,2]',
    '{}',
    'null',
    '\u2028',
    '\u0000',
    'é',
    'e\u0301',
    '\ud800',
    '\udc00',
    '😀',
    ' ',
    '1',
    '01',
    '1.0',
    'x'.repeat(1024),
  ];

  test('ids that look like JSON, like lines or like each other are each themselves', () => {
    const layout = new Layout(scratch());
    nasty.forEach((id, number) => {
      expect([id, findMessageId(layout, identity(id), NOON, RETENTION)]).toEqual([id, null]);
      rememberMessageId(layout, identity(id), hit({ at: number }));
    });
    nasty.forEach((id, number) => {
      expect(findMessageId(layout, identity(id), NOON, RETENTION)).toMatchObject({
        at: number,
        sessionId: 's1',
      });
    });
  });

  test('whatever the identities: found are those that were remembered, each with its own place', () => {
    const word = fc.oneof(fc.string({ unit: 'binary', maxLength: 8 }), fc.constantFrom(...nasty));
    const anyIdentity = fc.tuple(word, word, word, word, word);
    fc.assert(
      fc.property(
        fc.uniqueArray(anyIdentity, { selector: each => JSON.stringify(each), minLength: 1, maxLength: 12 }),
        fc.nat(),
        (identities, choice) => {
          const layout = new Layout(scratch());
          const known = identities.slice(0, (choice % identities.length) + 1);
          for (const [number, each] of known.entries()) rememberMessageId(layout, each, hit({ at: number }));
          identities.forEach((each, number) => {
            const found = findMessageId(layout, each, NOON, RETENTION);
            expect(found?.at).toBe(number < known.length ? number : undefined);
          });
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('a damaged file of ids', () => {
  /** Cuts the end off the one file of ids. */
  function cut(layout: Layout, bytes: number): string {
    const [file] = shards(layout);
    fs.truncateSync(file!, fs.statSync(file!).size - bytes);
    return file!;
  }

  test('the torn last line counts for nothing, and what is remembered next stands on a line of its own', () => {
    const layout = new Layout(scratch());
    const [one, two] = ['one', neighbourOf('one')];
    rememberMessageId(layout, identity(one), hit({ at: 1 }));
    cut(layout, 5);
    expect(findMessageId(layout, identity(one), NOON, RETENTION)).toBeNull();
    rememberMessageId(layout, identity(two), hit({ at: 2 }));
    expect(shards(layout)).toHaveLength(1);
    expect(findMessageId(layout, identity(two), NOON, RETENTION)).toMatchObject({ at: 2 });
  });

  test.each([
    ['inside its place', 5, ''],
    ['inside its place, with NUL bytes behind', 5, '\0\0\0\0'],
    ['right behind its identity', 75, ''],
    ['inside its identity', 120, ''],
    ['before its newline', 1, ''],
    ['before its newline, with NUL bytes instead', 1, '\0'],
  ])('a line torn %s is passed over for good, also with another one behind it', (_, bytes, rest) => {
    const layout = new Layout(scratch());
    const [one, two] = ['one', neighbourOf('one')];
    rememberMessageId(layout, identity(one), hit({ at: 1 }));
    fs.appendFileSync(cut(layout, bytes), rest);
    rememberMessageId(layout, identity(two), hit({ at: 2 }));
    expect(findMessageId(layout, identity(two), NOON, RETENTION)).toMatchObject({ at: 2 });
    // Only its newline was missing, or more: then it was never relied on. Either way the look-up must not fail.
    if (bytes > 1 || rest !== '') expect(findMessageId(layout, identity(one), NOON, RETENTION)).toBeNull();
    rememberMessageId(layout, identity(one), hit({ at: 3, sessionId: 's2' }));
    expect(findMessageId(layout, identity(one), NOON, RETENTION)).toMatchObject({ at: 3 });
  });

  test('that cannot be read is an error: a message must not be taken for a new one because nobody could look', () => {
    const layout = new Layout(scratch());
    rememberMessageId(layout, identity('1'), hit());
    const [file] = shards(layout);
    fs.rmSync(file!);
    fs.mkdirSync(file!);
    expect(() => findMessageId(layout, identity('1'), NOON, RETENTION)).toThrow(/EISDIR/);
  });
});

describe('the files', () => {
  test('are spread, private, and by month', () => {
    const layout = new Layout(scratch());
    for (let number = 0; number < 300; number++) rememberMessageId(layout, identity(String(number)), hit());
    rememberMessageId(layout, identity('next'), hit({ time: NOON + 31 * DAY }));
    expect(names(layout.ids())).toEqual(['2026-03', '2026-04']);
    expect(names(path.join(layout.ids(), '2026-03')).length).toBeGreaterThan(100);
    for (const file of shards(layout)) {
      expect(path.basename(file)).toMatch(/^[0-9a-f]{2}\.jsonl$/);
      expect(modeOf(file)).toBe('600');
      for (const line of fs.readFileSync(file, 'utf8').trimEnd().split('\n')) JSON.parse(line);
    }
  });

  test('5 processes that remember at once lose nothing', async () => {
    const home = scratch();
    const layout = new Layout(home);
    const all = ['a', 'b', 'c', 'd', 'e'];
    await workers.together(
      'rememberMany',
      all.map(name => ({ home, name, count: 100 })),
    );
    for (const name of all) {
      for (let number = 0; number < 100; number++) {
        const found = findMessageId(layout, ['c', 'a', 'p', '', `${name}-${number}`], NOON, RETENTION);
        expect([name, number, found?.sessionId, found?.at]).toEqual([name, number, name, number]);
      }
    }
    const lines = shards(layout).flatMap(file => fs.readFileSync(file, 'utf8').trimEnd().split('\n'));
    expect(lines).toHaveLength(500);
  });

  test('of a month are given up when its last id is too old, not before', () => {
    const layout = new Layout(scratch());
    for (const name of ['2025-11', '2025-12', '2026-01', '2026-02', '2026-03', 'notes', '2026-1']) {
      fs.mkdirSync(path.join(layout.ids(), name), { recursive: true });
    }
    const expired = (now: string) =>
      expiredIdFolders(layout, at(now), RETENTION)
        .map(file => path.basename(file))
        .sort();
    // 90 days before the first of March is the first of December.
    expect(expired('2026-02-28T23:59:59.999Z')).toEqual([]);
    expect(expired('2026-03-01T00:00:00Z')).toEqual(['2025-11']);
    expect(expired('2026-03-31T23:59:59Z')).toEqual(['2025-11']);
    expect(expired('2026-04-01T00:00:00Z')).toEqual(['2025-11', '2025-12']);
    expect(expiredIdFolders(new Layout(scratch()), NOON, RETENTION)).toEqual([]);
  });

  test('are all kept while the newest are not of these days: the clock may be wrong', () => {
    const layout = new Layout(scratch());
    for (const name of ['2025-11', '2026-03'])
      fs.mkdirSync(path.join(layout.ids(), name), { recursive: true });
    const expired = (now: string) => expiredIdFolders(layout, at(now), RETENTION).length;
    expect(['2030-01-01T00:00:00Z', '2070-01-01T00:00:00Z', '2020-01-01T00:00:00Z'].map(expired)).toEqual([
      0, 0, 0,
    ]);
    expect(expired('2026-03-20T00:00:00Z')).toBe(1);
  });

  test('that are given up hold nothing that would still be found', () => {
    const layout = new Layout(scratch());
    fc.assert(
      fc.property(fc.nat({ max: 500 * 24 }), fc.nat({ max: 200 * 24 }), (age, retention) => {
        const time = NOON - age * HOUR;
        const id = identity(`${age}-${retention}`);
        rememberMessageId(layout, id, hit({ time }));
        const month = new Date(time).toISOString().slice(0, 7);
        const expired = expiredIdFolders(layout, NOON, retention * HOUR).map(file => path.basename(file));
        if (expired.includes(month)) expect(findMessageId(layout, id, NOON, retention * HOUR)).toBeNull();
      }),
      { numRuns: 60 },
    );
  });

  test('are not touched by looking', () => {
    const home = scratch();
    const layout = new Layout(home);
    rememberMessageId(layout, identity('1'), hit());
    const before = snapshot(home);
    findMessageId(layout, identity('1'), NOON, RETENTION);
    findMessageId(layout, identity('2'), NOON, RETENTION);
    expect(snapshot(home)).toEqual(before);
  });
});
