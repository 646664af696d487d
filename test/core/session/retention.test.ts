import { describe, expect, it } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import {
  type ArchivedFact,
  planRemovals,
  type RetentionLimits,
  retentionLimits,
  type SideFact,
} from '../../../src/core/session/retention.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 21, 12);

function archived(sessionId: string, days: number, part: Partial<ArchivedFact> = {}): ArchivedFact {
  return {
    kind: 'archived',
    agentId: 'main',
    key: 'agent:main:main',
    sessionId,
    file: `/s/${sessionId}.jsonl`,
    bytes: 100,
    at: NOW - days * DAY,
    inUse: null,
    ...part,
  };
}

function side(kind: SideFact['kind'], name: string, days: number): SideFact {
  return { kind, agentId: 'main', file: `/s/${name}`, bytes: 10, at: NOW - days * DAY };
}

const planned = (facts: Parameters<typeof planRemovals>[0], limits: RetentionLimits) =>
  planRemovals(facts, limits, NOW).map(({ file, reason }) => `${file.slice(3)} ${reason}`);

describe('what retention removes', () => {
  it.each<[string, Parameters<typeof planRemovals>[0], RetentionLimits, string[]]>([
    ['nothing without a limit', [archived('a', 900), side('torn', 'x', 900)], {}, []],
    [
      'by age, oldest first (#44820)',
      [archived('a', 31), archived('b', 29), archived('c', 90)],
      { archived: 30 * DAY },
      ['c.jsonl archived', 'a.jsonl archived'],
    ],
    ['not on the very instant of the limit', [archived('a', 30)], { archived: 30 * DAY }, []],
    [
      'by age whatever the size: empty and huge ones alike (#98980)',
      [archived('a', 31, { bytes: 0 }), archived('b', 31, { bytes: 4e8 })],
      { archived: 30 * DAY },
      ['a.jsonl archived', 'b.jsonl archived'],
    ],
    [
      'beyond the newest N of a key, each key by itself',
      [
        archived('a', 3),
        archived('b', 2),
        archived('c', 1),
        archived('d', 9, { key: 'agent:main:dm:1' }),
        archived('e', 9, { agentId: 'other' }),
      ],
      { keep: 1 },
      ['a.jsonl keep', 'b.jsonl keep'],
    ],
    [
      'by either limit',
      [archived('a', 40), archived('b', 2), archived('c', 1)],
      { keep: 1, archived: 30 * DAY },
      ['a.jsonl archived', 'b.jsonl keep'],
    ],
    [
      'never one whose session is being worked, though it is the oldest (#56034)',
      [archived('a', 900, { inUse: 'its session is locked' }), archived('b', 1), archived('c', 2)],
      { keep: 1, archived: 30 * DAY },
      ['c.jsonl keep'],
    ],
    [
      'never one that does not say whose it is',
      [archived('a', 900, { key: null })],
      { archived: DAY, keep: 1 },
      [],
    ],
    ['never what lies in the future', [archived('a', -5)], { archived: DAY }, []],
    [
      'torn ends by their own limit, and not by that of transcripts',
      [side('torn', 'a.torn-1', 8), side('torn', 'b.torn-2', 6), archived('c', 8)],
      { torn: 7 * DAY },
      ['a.torn-1 torn'],
    ],
    ['torn ends without a limit of theirs: none', [side('torn', 'a.torn-1', 800)], { archived: DAY }, []],
    ['what dead writers left, always', [side('temporary', '.tmp-1', 0)], {}, ['.tmp-1 temporary']],
  ])('%s', (_, facts, limits, expected) => {
    expect(planned(facts, limits)).toEqual(expected);
  });

  it('tells of each file its bytes, its age and whose it is', () => {
    expect(planRemovals([archived('a', 31)], { archived: 30 * DAY }, NOW)).toEqual([
      {
        file: '/s/a.jsonl',
        bytes: 100,
        reason: 'archived',
        ageMs: 31 * DAY,
        agentId: 'main',
        sessionKey: 'agent:main:main',
        sessionId: 'a',
      },
    ]);
  });
});

describe('the limits of a config', () => {
  const limits = (retention: object) => retentionLimits({ session: { retention } } as ConfigInput);

  it('are read where they are set', () => {
    expect(limits({ archived: '30d', keep: 5, torn: '2w' })).toEqual({
      archived: 30 * DAY,
      keep: 5,
      torn: 14 * DAY,
    });
    expect(retentionLimits({})).toEqual({});
  });

  it.each([
    [{ archived: '0d' }],
    [{ keep: 0 }],
    [{ keep: -1 }],
    [{ keep: 1.5 }],
    [{ torn: '0s' }],
    [{ archived: 'soon' }],
  ])('of nothing remove nothing: %j (#119945)', retention => {
    expect(limits(retention)).toEqual({});
  });
});
