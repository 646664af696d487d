import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/schema.ts';
import { agentEntry, runnerName } from '../../src/core/agent.ts';
import { type Incoming, mayUseTrigger, originOf, triggerOf } from '../../src/core/incoming.ts';
import { newPersonNotice, resetNotice, spoken } from '../../src/core/notice.ts';
import { batchSize } from '../../src/core/queue.ts';
import { type ResetInfo, reduceRecord, type SessionRecord } from '../../src/core/session/session.ts';
import {
  applyChange,
  ownSettings,
  type SettingValues,
  type StoredSettings,
} from '../../src/core/session/settings.ts';
import {
  type Entry,
  type HeaderEntry,
  isCommandEntry,
  isTurnEntry,
  isUserEntry,
  type TurnEntry,
  type UserEntry,
} from '../../src/core/session/transcript.ts';
import {
  judgeFreshness,
  planTurn,
  type TranscriptState,
  type TurnFacts,
  type TurnPlan,
} from '../../src/core/turn.ts';
import {
  DAY,
  facts,
  HOUR,
  incoming,
  KEY,
  MINUTE,
  message,
  NEW,
  NOON,
  OLD,
  RUN,
  record,
  UTC,
} from './turn-facts.ts';

/** The plan for these facts, which must stay as they are; the same facts must give the same plan again. */
function plan(part: Partial<TurnFacts> = {}): TurnPlan {
  const given = facts(part);
  const before = structuredClone(given);
  const made = planTurn(given);
  expect(given).toEqual(before);
  expect(planTurn(structuredClone(given))).toEqual(made);
  return made;
}

/** The plan for one text to a session that is running. */
const planFor = (text: string, part: Partial<TurnFacts> = {}, more: Partial<Incoming> = {}) =>
  plan({ batch: [incoming({ text, ...more })], ...part });

const types = (made: TurnPlan) => made.entries.map(entry => entry.type);
const users = (made: TurnPlan) => made.entries.filter(isUserEntry);
const turnOf = (made: TurnPlan) => made.entries.find(isTurnEntry) as TurnEntry;
const headerOf = (made: TurnPlan) => made.entries.find(entry => entry.type === 'session') as HeaderEntry;

/** A session that went to sleep yesterday, so that the daily reset has passed. */
const stale = (part: Partial<SessionRecord> = {}) =>
  record({ lastUserAt: NOON - DAY, startedAt: NOON - 2 * DAY, ...part });
const idle = (idleMinutes: number): ConfigInput => ({ session: { reset: { mode: 'idle', idleMinutes } } });

const SETTINGS: SettingValues = {
  model: 'a/small',
  thinkingLevel: 'high',
  sendPolicy: 'deny',
  queueMode: 'followup',
};

/** These settings as the session `OLD` was given them before the message came. */
const given = (settings: SettingValues): StoredSettings =>
  applyChange(null, KEY, record(), settings, NOON - HOUR);

/** The session's own settings that hold behind a plan. */
function ownAfter(
  made: TurnPlan,
  config: ConfigInput = {},
  stored: StoredSettings | null = null,
): SettingValues {
  const { settings = {}, untilReset } = made.change ?? {};
  const after = applyChange(stored, KEY, made.record, settings, NOON, untilReset);
  return ownSettings(config, after, made.record);
}

/** The record after the lines of a plan, and those that end it. */
function settle(made: TurnPlan, status: 'replied' | 'failed' = 'replied'): SessionRecord {
  const end: Entry[] =
    made.action === 'run'
      ? [{ type: 'turn_end', runId: RUN, status, usage: null, timestamp: NOON, durationMs: 1 }]
      : [];
  return [...made.entries, ...end].reduce(
    (next, entry, at) => reduceRecord(next, entry, 100 + at),
    made.record,
  );
}

describe('a new session', () => {
  test('begins with its header, the message and the start of its turn', () => {
    const made = plan({ record: null, transcript: 'missing' });
    expect(made).toMatchObject({
      action: 'run',
      isNewSession: true,
      isNewTranscript: true,
      resetEntry: null,
      reset: null,
      notices: [],
    });
    expect(made.entries).toEqual([
      { type: 'session', version: 1, id: NEW, sessionKey: KEY, agentId: 'main', timestamp: NOON },
      {
        type: 'message',
        timestamp: NOON,
        id: 'm1',
        message: { role: 'user', content: 'hello' },
        origin: { channel: 'telegram', accountId: 'default', chatType: 'dm', from: 'anna' },
        via: 'stdout',
      },
      {
        type: 'turn',
        timestamp: NOON,
        runId: RUN,
        attempt: 1,
        messageIds: ['m1'],
        runner: 'recall',
        isNewSession: true,
        reset: null,
        notices: [],
      },
    ]);
    expect(made.body).toBe('hello');
  });

  test('has a record that claims nothing yet', () => {
    expect(plan({ record: null, transcript: 'missing' }).record).toEqual({
      version: 1,
      key: KEY,
      agentId: 'main',
      sessionId: NEW,
      createdAt: NOON,
      startedAt: NOON,
      updatedAt: NOON,
      bytes: 0,
      chatType: 'dm',
      channel: 'telegram',
      messageCount: 0,
    });
  });

  test('whose record was saved but whose first line was not begins under the same id', () => {
    const made = plan({ record: record({ bytes: 0, messageCount: 0 }), transcript: 'not-started' });
    expect(made).toMatchObject({ isNewSession: true, isNewTranscript: true, resetEntry: null, reset: null });
    expect(made.record.sessionId).toBe(OLD);
    expect(types(made)).toEqual(['session', 'message', 'turn']);
    expect(headerOf(made).id).toBe(OLD);
  });

  test('that was never begun is not reset, however old it is or what is said to it', () => {
    for (const text of ['hello', '/new', '/new hello']) {
      const made = planFor(text, { record: stale({ bytes: 0 }), transcript: 'not-started' });
      expect([text, made.record.sessionId, made.resetEntry, made.reset]).toEqual([text, OLD, null, null]);
    }
  });

  test('that a reset made and no line was written to still tells of that reset', () => {
    const untoldReset: ResetInfo = { reason: 'idle', at: NOON - MINUTE, previousSessionId: 'before' };
    const made = plan({
      record: record({ bytes: 0, untoldReset, previousSessionId: 'before' }),
      transcript: 'not-started',
    });
    expect(made).toMatchObject({ reset: untoldReset, notices: [resetNotice(untoldReset)] });
    expect(headerOf(made)).toMatchObject({ id: OLD, previousSessionId: 'before', reset: untoldReset });
  });
});

describe('a running session', () => {
  test('goes on: no header, no reset, the same record', () => {
    const made = plan();
    expect(made).toMatchObject({
      action: 'run',
      isNewSession: false,
      isNewTranscript: false,
      resetEntry: null,
      reset: null,
      notices: [],
      reply: null,
      body: 'hello',
    });
    expect(types(made)).toEqual(['message', 'turn']);
    expect(made.record).toEqual(record());
    expect(turnOf(made)).toMatchObject({ isNewSession: false, reset: null, notices: [], messageIds: ['m1'] });
  });

  test('keeps everything the message came with', () => {
    const identity = ['telegram', 'biz', '-100', '7', '42'] as const;
    const attachments = [{ path: '/tmp/a.png', type: 'image/png' }];
    const from = {
      accountId: 'biz',
      chatType: 'group' as const,
      groupId: '-100',
      groupName: 'Home',
      fromName: 'Anna',
      threadId: '7',
    };
    const more = { guildId: 'g', teamId: 't', parentId: 'p', surface: 'phone', to: 'bot' };
    const made = plan({
      batch: [
        incoming({
          messageId: '42',
          identity,
          queuedAs: '0000000000000001-abcdef12',
          via: 'both',
          message: message({
            ...from,
            ...more,
            attachments,
            id: '42',
            replyTo: '41',
            mentioned: true,
            timestamp: 5,
          }),
        }),
      ],
    });
    expect(users(made)).toEqual([
      {
        type: 'message',
        timestamp: NOON,
        id: '42',
        identity,
        queuedAs: '0000000000000001-abcdef12',
        message: { role: 'user', content: 'hello' },
        origin: { channel: 'telegram', from: 'anna', ...from, ...more },
        via: 'both',
        attachments,
      },
    ]);
  });

  test('notes how many agents stand between a person and the message, where there are any', () => {
    expect(users(plan({ batch: [incoming({ fromAgent: true, hops: 2 })] }))[0]).toMatchObject({ hops: 2 });
    for (const hops of [undefined, 0]) {
      expect(users(plan({ batch: [incoming(hops === undefined ? {} : { hops })] }))[0]).not.toHaveProperty(
        'hops',
      );
    }
  });

  test.each(['  two  spaces\n', '/newsletter please', 'explain /reset', 'a\u2028b', '', '😀'])(
    'passes on %j byte for byte',
    text => {
      const made = planFor(text);
      expect(made).toMatchObject({ action: 'run', body: text });
      expect(users(made)[0]!.message.content).toBe(text);
    },
  );
});

describe('freshness', () => {
  const fourAm = Date.UTC(2026, 2, 10, 4);

  test.each<[string, Partial<SessionRecord>, ConfigInput, ResetInfo['reason'] | null]>([
    ['used an hour ago', {}, {}, null],
    ['used yesterday', { lastUserAt: NOON - DAY }, {}, 'daily'],
    ['used just before the daily reset', { lastUserAt: fourAm - 1 }, {}, 'daily'],
    ['used at the very time of the daily reset', { lastUserAt: fourAm }, {}, null],
    ['begun yesterday and never used', { lastUserAt: undefined, startedAt: NOON - DAY }, {}, 'daily'],
    ['begun yesterday, used today', { startedAt: NOON - DAY }, {}, null],
    ['touched today by what is no user', { lastUserAt: NOON - DAY, updatedAt: NOON }, {}, 'daily'],
    ['used yesterday, resets off', { lastUserAt: NOON - DAY }, { session: { reset: { mode: 'off' } } }, null],
    ['quiet for exactly the limit', { lastUserAt: NOON - 30 * MINUTE }, idle(30), null],
    ['quiet for longer than the limit', { lastUserAt: NOON - 30 * MINUTE - 1 }, idle(30), 'idle'],
    ['quiet for a day, idle only', { lastUserAt: NOON - DAY }, idle(2 * 24 * 60), null],
    [
      'quiet since before the daily reset, idle first',
      { lastUserAt: fourAm - HOUR },
      { session: { reset: { mode: 'daily', idleMinutes: 30 } } },
      'idle',
    ],
    [
      'quiet since before the daily reset, daily first',
      { lastUserAt: fourAm - MINUTE },
      { session: { reset: { mode: 'daily', idleMinutes: 30 } } },
      'daily',
    ],
    [
      'quiet, older form of the limit',
      { lastUserAt: NOON - 11 * MINUTE },
      { session: { idleMinutes: 10 } },
      'idle',
    ],
    [
      'quiet, limit of its channel',
      { lastUserAt: NOON - 11 * MINUTE },
      { session: { resetByChannel: { telegram: { mode: 'idle', idleMinutes: 10 } } } },
      'idle',
    ],
    [
      'quiet, limit of another channel',
      { lastUserAt: NOON - 11 * MINUTE },
      { session: { resetByChannel: { discord: { mode: 'idle', idleMinutes: 10 } } } },
      null,
    ],
    [
      'quiet, limit of groups',
      { lastUserAt: NOON - 11 * MINUTE },
      { session: { resetByType: { group: { idleMinutes: 10 } } } },
      null,
    ],
    [
      'quiet, limit of private chats',
      { lastUserAt: NOON - 11 * MINUTE },
      { session: { resetByType: { dm: { idleMinutes: 10 } } } },
      'idle',
    ],
    ['last used in the future (the clock went back)', { lastUserAt: NOON + DAY }, idle(10), null],
  ])('of a session %s', (_, part, config, reason) => {
    const given = record(part);
    if (part.lastUserAt === undefined && 'lastUserAt' in part) delete given.lastUserAt;
    const made = plan({ record: given, config });
    expect(made.record.sessionId).toBe(reason === null ? OLD : NEW);
    expect(made.reset?.reason ?? null).toBe(reason);
    expect(made.isNewSession).toBe(reason !== null);
    expect(judgeFreshness(config, given, message(), NOON, UTC).reason).toBe(reason);
  });

  test.each<[string, number, number, boolean]>([
    ['accepted before the daily reset, planned after it', fourAm - MINUTE, fourAm + HOUR, true],
    ['accepted after the daily reset, planned later', fourAm + 1, fourAm + HOUR, false],
    ['accepted at the daily reset', fourAm, fourAm, false],
    ['accepted after it, planned by a clock set back before it', fourAm + 1, fourAm - HOUR, false],
  ])('counts from the acceptance: %s', (_, acceptedAt, now, fresh) => {
    const made = plan({
      record: record({ lastUserAt: fourAm - HOUR }),
      batch: [incoming({ acceptedAt })],
      now,
    });
    expect(made.reset === null).toBe(fresh);
    if (!fresh) {
      expect(made.reset).toMatchObject({ reason: 'daily', at: acceptedAt });
      expect(made.record.startedAt).toBe(acceptedAt);
      expect(users(made)[0]!.timestamp).toBe(acceptedAt);
      expect(made.resetEntry).toMatchObject({ timestamp: now });
    }
  });

  test('does not believe the clock of the sender', () => {
    for (const timestamp of [NOON - 30 * DAY, NOON + 30 * DAY]) {
      expect(plan({ batch: [incoming({ message: message({ timestamp }) })] }).reset).toBeNull();
      expect(
        plan({ record: stale(), batch: [incoming({ message: message({ timestamp }) })] }).reset?.at,
      ).toBe(NOON);
    }
  });

  test('a thread has the policy of threads, whatever its key says of the rest', () => {
    const config: ConfigInput = { session: { resetByType: { thread: { mode: 'idle', idleMinutes: 10 } } } };
    const batch = [incoming({ message: message({ threadId: '7' }) })];
    expect(plan({ config, batch }).reset?.reason).toBe('idle');
    expect(plan({ config }).reset).toBeNull();
  });

  test('is reckoned in the zone of the user', () => {
    // Four in the morning is 04:00 UTC here, and 08:00 UTC in New York.
    const used = record({ lastUserAt: Date.UTC(2026, 2, 10, 7, 59) });
    expect(plan({ record: used }).reset).toBeNull();
    expect(plan({ record: used, zone: { name: 'America/New_York', isHost: false } }).reset?.reason).toBe(
      'daily',
    );
  });
});

describe('a reset', () => {
  const cases: [ResetInfo['reason'], Partial<TurnFacts>][] = [
    ['daily', { record: stale(), stored: given(SETTINGS) }],
    ['idle', { record: record(), stored: given(SETTINGS), config: idle(10) }],
    ['user', { record: record(), stored: given(SETTINGS), batch: [incoming({ text: '/new hello' })] }],
    ['user', { record: record(), stored: given(SETTINGS), batch: [incoming({ text: '/reset' })] }],
    ['missing', { record: record(), stored: given(SETTINGS), transcript: 'missing' }],
    ['missing', { record: record(), stored: given(SETTINGS), transcript: 'foreign' }],
  ];

  test.each(cases)(
    '(%s) keeps what belongs to the key and begins what belongs to the session',
    (reason, part) => {
      const lastRoute = originOf(message());
      const old = {
        ...part.record!,
        lastRoute,
        tokens: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
        model: 'a/b',
      };
      const made = plan({ ...part, record: old });
      const reset = { reason, at: NOON, previousSessionId: OLD };
      expect(made.record).toEqual({
        version: 1,
        key: KEY,
        agentId: 'main',
        sessionId: NEW,
        createdAt: old.createdAt,
        startedAt: NOON,
        updatedAt: NOON,
        bytes: 0,
        chatType: 'dm',
        channel: 'telegram',
        lastRoute,
        messageCount: 0,
        previousSessionId: OLD,
        untoldReset: reset,
      });
      expect(made).toMatchObject({ reset, isNewSession: true, isNewTranscript: true });
      expect(headerOf(made)).toEqual({
        type: 'session',
        version: 1,
        id: NEW,
        sessionKey: KEY,
        agentId: 'main',
        timestamp: NOON,
        previousSessionId: OLD,
        reset,
      });
    },
  );

  test.each(cases)('(%s) archives the old transcript with the reason, where there is one', (reason, part) => {
    const made = plan(part);
    const archived = part.transcript === undefined;
    expect(made.resetEntry).toEqual(
      archived ? { type: 'reset', timestamp: NOON, reason, nextSessionId: NEW } : null,
    );
  });

  test.each(cases)('R15 openclaw#92562: (%s) keeps the settings, unless told otherwise', (_, part) => {
    const { config, stored = null } = part;
    expect(ownAfter(plan(part), config, stored)).toEqual(SETTINGS);
    const keeping = (preserveSettings: boolean): ConfigInput => ({
      ...config,
      session: { ...config?.session, reset: { ...config?.session?.reset, preserveSettings } },
    });
    for (const [preserve, kept] of [
      [true, SETTINGS],
      [false, {}],
    ] as const) {
      const made = plan({ ...part, config: keeping(preserve) });
      expect(ownAfter(made, keeping(preserve), stored)).toEqual(kept);
      // What is asked of the runner at once, too.
      if (made.action === 'run') {
        const { model, settings } = turnOf(made);
        expect({ model, settings }).toEqual(
          preserve ? { model: 'a/small', settings: { thinkingLevel: 'high' } } : {},
        );
      }
    }
  });

  test.each(cases.filter(([, part]) => part.batch?.[0]?.message.text !== '/reset'))(
    'R04 openclaw#78059: (%s) the message that triggers it is the first of the new session',
    (_, part) => {
      const made = plan(part);
      expect(types(made)).toEqual(['session', 'message', 'turn']);
      expect(users(made).map(user => user.id)).toEqual(['m1']);
      expect(turnOf(made)).toMatchObject({ messageIds: ['m1'], isNewSession: true, reset: made.reset });
      expect(made.body).toBe('hello');
      expect(settle(made)).toMatchObject({ sessionId: NEW, messageCount: 1, lastUserAt: NOON });
    },
  );

  test('goes before a daily reset when the user asked for it: nobody is told twice', () => {
    expect(planFor('/new', { record: stale() })).toMatchObject({ reset: { reason: 'user' }, notices: [] });
  });

  test('because the transcript is gone is said to be that, also when the user asked for one', () => {
    expect(planFor('/new', { transcript: 'missing' }).reset?.reason).toBe('missing');
  });
});

describe('R12 openclaw#130063: every plan', () => {
  const anyRecord = fc.record({
    lastUserAt: fc.constantFrom(NOON - DAY, NOON - HOUR, NOON + HOUR),
    untoldReset: fc.constantFrom<ResetInfo | undefined>(undefined, {
      reason: 'idle',
      at: NOON - 2 * HOUR,
      previousSessionId: 'before',
    }),
  });
  const anySession = fc.record({
    resetBy: fc.constantFrom(undefined, 'anyone' as const, 'owner' as const),
    reset: fc.record({
      mode: fc.constantFrom('daily' as const, 'idle' as const, 'off' as const),
      idleMinutes: fc.constantFrom(undefined, 10, 600),
      preserveSettings: fc.constantFrom(undefined, true, false),
      notifyUser: fc.constantFrom(undefined, true, false),
    }),
  });
  const anyFacts: fc.Arbitrary<TurnFacts> = fc
    .record({
      record: fc.option(anyRecord),
      settings: fc.constantFrom<SettingValues | null>(null, {}, SETTINGS),
      transcript: fc.constantFrom<TranscriptState>('present', 'not-started', 'missing', 'foreign'),
      session: anySession,
      texts: fc.array(
        fc.constantFrom('hello', '/new', '/new hello', '/reset opus', '/new opus hello', ' ', ''),
        { minLength: 1, maxLength: 3 },
      ),
      owner: fc.boolean(),
      fromAgent: fc.boolean(),
      respond: fc.boolean(),
    })
    .map(({ record: part, settings, transcript, session, texts, ...more }) => {
      const config = JSON.parse(JSON.stringify({ models: { opus: 'a/opus' }, session })) as ConfigInput;
      const batch = texts.map((text, at) =>
        incoming({ text, messageId: `m${at}`, acceptedAt: NOON + at, ...more }),
      );
      const old =
        part && (JSON.parse(JSON.stringify(record(part as Partial<SessionRecord>))) as SessionRecord);
      const size = batchSize(config, batch, 'collect');
      return facts({
        config,
        batch: batch.slice(0, size),
        record: old,
        transcript: old ? transcript : 'missing',
        stored: settings && given(settings),
      });
    });
  const always = (what: (given: TurnFacts, made: TurnPlan) => void) =>
    fc.assert(
      fc.property(anyFacts, given => what(given, planTurn(given))),
      { numRuns: 1500 },
    );

  test('that rotates a session says why, in the record, in the new header, and in the old transcript', () => {
    always(({ record: old, transcript }, { record: next, resetEntry, entries }) => {
      if (!old || next.sessionId === old.sessionId) {
        expect(resetEntry).toBeNull();
        return;
      }
      expect(next.sessionId).toBe(NEW);
      expect(next.previousSessionId).toBe(old.sessionId);
      expect(['daily', 'idle', 'user', 'missing']).toContain(next.untoldReset?.reason);
      expect(next.untoldReset?.previousSessionId).toBe(old.sessionId);
      expect(entries[0]).toMatchObject({
        type: 'session',
        id: NEW,
        reset: next.untoldReset,
        previousSessionId: OLD,
      });
      const { reason } = next.untoldReset!;
      expect(resetEntry?.reason ?? null).toBe(transcript === 'present' ? reason : null);
      if (resetEntry) expect(resetEntry.nextSessionId).toBe(next.sessionId);
    });
  });

  test('writes each message once, in order, in the session it belongs to', () => {
    always(({ batch }, { entries, action }) => {
      const written = entries.flatMap(entry =>
        isUserEntry(entry) || isCommandEntry(entry) ? [entry.id] : [],
      );
      expect(written).toEqual(batch.map(each => each.messageId));
      const texts = entries.flatMap(entry =>
        isUserEntry(entry) ? [entry.message.content] : isCommandEntry(entry) ? [entry.text] : [],
      );
      expect(texts).toEqual(batch.map(each => each.message.text));
      expect(entries.filter(isTurnEntry).map(turn => turn.messageIds)).toEqual(
        action === 'run' ? [written] : [],
      );
    });
  });

  test('begins a transcript with its header, and never writes a second one', () => {
    always(({ record: old, transcript }, { entries, isNewTranscript, record: next }) => {
      expect(entries.map(entry => entry.type === 'session')).toEqual(
        entries.map((_, at) => isNewTranscript && at === 0),
      );
      expect(isNewTranscript).toBe(!old || next.sessionId !== old.sessionId || transcript === 'not-started');
      if (isNewTranscript) expect((entries[0] as HeaderEntry).id).toBe(next.sessionId);
    });
  });

  test('does one thing: it runs, answers, or keeps', () => {
    always(({ batch }, { action, entries, reply, body }) => {
      const responds = batch[0]!.respond;
      expect(action === 'record').toBe(!responds);
      expect(entries.some(isCommandEntry)).toBe(action === 'command');
      expect(entries.some(isTurnEntry)).toBe(action === 'run');
      expect(entries.filter(isUserEntry).every(user => (user.recorded ?? false) === !responds)).toBe(true);
      expect(typeof reply).toBe(action === 'command' ? 'string' : 'object');
      if (action !== 'run') expect(body).toBe('');
    });
  });

  test('tells of a reset exactly when it answers somebody, and names it in words unless it was asked for or is not wanted', () => {
    always(({ config, batch }, made) => {
      const untold = made.record.untoldReset ?? null;
      expect(made.reset).toEqual(batch[0]!.respond ? untold : null);
      const spoken =
        made.reset !== null && made.reset.reason !== 'user' && config.session?.reset?.notifyUser !== false;
      expect(made.notices).toEqual(spoken ? [resetNotice(made.reset!)] : []);
      const answer = made.entries.find(entry => isTurnEntry(entry) || isCommandEntry(entry));
      if (answer) {
        const { isNewSession, reset, notices } = made;
        expect(answer).toMatchObject({ isNewSession, reset, notices });
      }
    });
  });

  test('keeps settings over a reset or does not, and changes nothing but the model', () => {
    always(({ record: old, config, stored }, made) => {
      const { record: next } = made;
      const rotated = old !== null && next.sessionId !== old.sessionId;
      const forgotten = rotated && config.session?.reset?.preserveSettings === false;
      const kept = old && stored && !forgotten ? ownSettings({}, stored, old) : {};
      const { model, ...others } = ownAfter(made, config, stored);
      const { model: before, ...wanted } = kept;
      expect(others).toEqual(wanted);
      expect([before, 'a/opus']).toContain(model);
    });
  });
});

describe('a trigger', () => {
  const models: ConfigInput = { models: { opus: 'a/opus' }, agents: { defaults: { model: 'a/small' } } };
  const OWNER = { owner: true };

  test.each<[string, string, string]>([
    ['/new', 'command', ''],
    ['/reset', 'command', ''],
    [' /NEW \n', 'command', ''],
    ['/new opus', 'command', ''],
    ['/new hello there', 'run', 'hello there'],
    ['/new: hello', 'run', 'hello'],
    ['/new opus hello', 'run', 'hello'],
    ['/new\nhello\n', 'run', 'hello'],
    ['/newer', 'run', '/newer'],
    ['say /new', 'run', 'say /new'],
  ])('%j: %s %j', (text, action, body) => {
    const made = planFor(text, { config: models }, OWNER);
    expect([made.action, made.body]).toEqual([action, body]);
  });

  test('that stands alone is answered here, once, with a greeting that is not its text', () => {
    const made = planFor(
      '/new',
      {},
      { identity: ['a', 'b', 'c', 'd', 'e'], queuedAs: 'stem', via: 'sender' },
    );
    expect(types(made)).toEqual(['session', 'command']);
    expect(made.entries[1]).toEqual({
      type: 'command',
      timestamp: NOON,
      runId: RUN,
      id: 'm1',
      identity: ['a', 'b', 'c', 'd', 'e'],
      queuedAs: 'stem',
      text: '/new',
      origin: originOf(message()),
      via: 'sender',
      reply: made.reply,
      isNewSession: true,
      reset: { reason: 'user', at: NOON, previousSessionId: OLD },
      notices: [],
    });
    expect(made.reply).toMatch(/^New session\./);
    expect(made.reply).not.toContain('/new');
    expect(made.reply).toContain(OLD);
  });

  test('with text resets and passes the text on; the transcript keeps what was written', () => {
    const made = planFor('/new hello there');
    expect(made).toMatchObject({
      action: 'run',
      body: 'hello there',
      reset: { reason: 'user' },
      notices: [],
    });
    expect(users(made)[0]).toMatchObject({ message: { content: '/new hello there' }, body: 'hello there' });
    expect(made.record.sessionId).toBe(NEW);
  });

  test('with a model sets it for the session, from this turn on', () => {
    const made = planFor('/new opus hello', { config: models }, OWNER);
    expect(made.change).toEqual({ settings: { model: 'a/opus' }, untilReset: false });
    expect(turnOf(made).model).toBe('a/opus');
    const stored = applyChange(null, KEY, made.record, made.change!.settings, NOON);
    const next = plan({ config: models, record: settle(made), stored });
    expect([turnOf(next).model, next.change]).toEqual(['a/opus', null]);
  });

  test('with a model and nothing else says which', () => {
    const made = planFor('/new opus', { config: models }, OWNER);
    expect(made).toMatchObject({ action: 'command', change: { settings: { model: 'a/opus' } } });
    expect(made.reply).toMatch(/^New session with a\/opus\./);
    expect(made.entries.find(isCommandEntry)?.settings).toEqual({ model: 'a/opus' });
  });

  test('with a model keeps the other settings, unless settings end with the session', () => {
    const stored = given(SETTINGS);
    const behind = (config: ConfigInput) =>
      ownAfter(planFor('/new opus', { config, stored }, OWNER), config, stored);
    expect(behind(models)).toEqual({ ...SETTINGS, model: 'a/opus' });
    const forgetting = { ...models, session: { reset: { preserveSettings: false } } };
    expect(behind(forgetting)).toEqual({ model: 'a/opus' });
  });

  test('to a key that has no session yet greets and begins one; there is nothing to be kept', () => {
    const made = planFor('/new', { record: null, transcript: 'missing' });
    expect(made).toMatchObject({ action: 'command', resetEntry: null, reset: null, isNewSession: true });
    expect(made.reply).toBe('New session. What can I do for you?');
  });

  test('of the config counts like /new, in any case', () => {
    const config: ConfigInput = { session: { resetTriggers: ['fresh start', '/wipe'] } };
    for (const text of ['fresh start', 'Fresh  START', '/wipe', '/wipe me']) {
      expect([text, planFor(text, { config }).reset?.reason]).toEqual([text, 'user']);
    }
    expect(planFor('fresh start', {}).reset).toBeNull();
  });

  test('behind a mention counts in a group', () => {
    const group = message({ chatType: 'group', groupId: '-1', text: '@claw /new' });
    expect(plan({ batch: [incoming({ message: group })] })).toMatchObject({
      action: 'command',
      reset: { reason: 'user' },
    });
  });

  test('with an attachment is no bare one: what came with it is passed on', () => {
    // A picture sent with the caption "/new": a reset never loses the message that triggered it.
    const attachments = [{ path: '/tmp/photo.jpg', type: 'image/jpeg' }];
    const made = plan({ batch: [incoming({ message: message({ text: '/new', attachments }) })] });
    expect(made.record.sessionId).toBe(NEW);
    expect(made.action).toBe('run');
    expect(users(made)[0]).toMatchObject({ attachments });
  });
});

describe('who may reset', () => {
  test.each<['anyone' | 'owner' | undefined, boolean, string, string, boolean]>([
    [undefined, false, '/new', 'command', true],
    ['anyone', false, '/new', 'command', true],
    ['owner', true, '/new', 'command', true],
    ['owner', true, '/new hello', 'run', true],
    ['owner', false, '/new', 'command', false],
    ['owner', false, '/new hello', 'command', false],
    ['owner', false, '/new opus', 'command', false],
    ['owner', false, 'hello', 'run', false],
  ])('resetBy %s, owner %s, %j: %s, reset %s', (resetBy, owner, text, action, reset) => {
    const config: ConfigInput = { models: { opus: 'a/opus' }, session: resetBy ? { resetBy } : {} };
    const made = planFor(text, { config }, { owner });
    expect(made.action).toBe(action);
    expect(made.record.sessionId).toBe(reset ? NEW : OLD);
    expect(made.change).toBeNull();
    if (action === 'command' && !reset) expect(made.reply).toMatch(/owner/);
    expect(mayUseTrigger(config, { owner })).toBe(resetBy !== 'owner' || owner);
  });

  test('a refused reset is not carried out by another name, but a session that is stale is renewed all the same', () => {
    const config: ConfigInput = { session: { resetBy: 'owner' } };
    expect(planFor('/new', { config, record: stale() }).reset?.reason).toBe('daily');
    expect(planFor('/new', { config, transcript: 'missing' }).reset?.reason).toBe('missing');
  });
});

describe('Z06 openclaw#63878: a text that an agent wrote', () => {
  test.each(['/new', '/reset', '/new hello', '/new opus', 'fresh start'])('%j is never a command', text => {
    const config: ConfigInput = { models: { opus: 'a/opus' }, session: { resetTriggers: ['fresh start'] } };
    for (const owner of [false, true]) {
      const made = planFor(text, { config }, { fromAgent: true, owner });
      expect(made).toMatchObject({ action: 'run', body: text, reset: null });
      expect(made.record).toEqual(record());
      expect(triggerOf(config, incoming({ text, fromAgent: true, owner }))).toBeNull();
    }
  });
});

describe('group chatter that is not answered', () => {
  const group = (text = 'just talking') =>
    incoming({ respond: false, message: message({ chatType: 'group', groupId: '-1', text }) });

  test('is kept as context: no turn, no answer', () => {
    const made = plan({ batch: [group()] });
    expect(made).toMatchObject({
      action: 'record',
      reply: null,
      body: '',
      reset: null,
      notices: [],
      isNewSession: false,
    });
    expect(types(made)).toEqual(['message']);
    expect(users(made)[0]).toMatchObject({ recorded: true, message: { content: 'just talking' } });
  });

  test('begins a transcript where there is none', () => {
    const made = plan({ batch: [group()], record: null, transcript: 'missing' });
    expect(types(made)).toEqual(['session', 'message']);
    expect(made.record).toMatchObject({ sessionId: NEW, chatType: 'group' });
    expect(settle(made).lastUserAt).toBeUndefined();
  });

  test('resets nothing: not a stale session, and not by its text', () => {
    for (const text of ['hello', '/new', '/reset now']) {
      const made = plan({ batch: [group(text)], record: stale() });
      expect([made.action, made.record.sessionId, made.resetEntry]).toEqual(['record', OLD, null]);
    }
  });

  test('keeps no session alive: the next message that is answered is judged without it', () => {
    const after = settle(plan({ batch: [group()], record: stale() }));
    expect(plan({ record: after }).reset?.reason).toBe('daily');
  });

  test('into a session whose transcript is gone begins a new one, and whoever is answered first hears of it', () => {
    const made = plan({ batch: [group()], transcript: 'missing' });
    expect(made).toMatchObject({ action: 'record', reset: null, notices: [] });
    expect(made.record.untoldReset).toMatchObject({ reason: 'missing' });
    const next = plan({ record: settle(made), batch: [incoming({ acceptedAt: NOON + 1 })] });
    expect(next.reset).toMatchObject({ reason: 'missing', previousSessionId: OLD });
    expect(next.notices).toHaveLength(1);
  });
});

describe('a reset nobody was told of', () => {
  test('is told with the next answer, and once', () => {
    const first = plan({ record: stale() });
    expect(first.notices).toHaveLength(1);
    const second = plan({ record: settle(first), batch: [incoming({ acceptedAt: NOON + 1 })] });
    expect(second).toMatchObject({ reset: null, notices: [], isNewSession: false });
    expect(turnOf(second)).toMatchObject({ reset: null, notices: [] });
  });

  test('is told again when the answer failed', () => {
    const first = plan({ record: stale() });
    const second = plan({ record: settle(first, 'failed'), batch: [incoming({ acceptedAt: NOON + 1 })] });
    expect(second.reset).toEqual(first.reset);
    expect(second.notices).toEqual(first.notices);
  });

  test('was made by the operator or a tick: the notice says so', () => {
    const untoldReset: ResetInfo = { reason: 'operator', at: NOON - HOUR, previousSessionId: 'before' };
    const made = plan({ record: record({ untoldReset, previousSessionId: 'before' }) });
    expect(made).toMatchObject({
      reset: untoldReset,
      notices: [resetNotice(untoldReset)],
      isNewSession: false,
    });
  });

  test('is told with a command too, and with the greeting of a further reset only that one', () => {
    const untoldReset: ResetInfo = { reason: 'daily', at: NOON - HOUR, previousSessionId: 'before' };
    const refused = planFor('/new', {
      record: record({ untoldReset }),
      config: { session: { resetBy: 'owner' } },
    });
    expect(refused).toMatchObject({
      action: 'command',
      reset: untoldReset,
      notices: [resetNotice(untoldReset)],
    });
    const again = planFor('/new', { record: record({ untoldReset }) });
    expect(again).toMatchObject({ reset: { reason: 'user', previousSessionId: OLD }, notices: [] });
  });

  test('is data, not words, where words are not wanted', () => {
    const config: ConfigInput = { session: { reset: { notifyUser: false } } };
    const made = plan({ record: stale(), config });
    expect(made).toMatchObject({ notices: [], reset: { reason: 'daily', previousSessionId: OLD } });
    expect(turnOf(made)).toMatchObject({ notices: [], reset: { reason: 'daily' } });
  });

  test.each<[ResetInfo['reason'], RegExp]>([
    ['daily', /daily/],
    ['idle', /idle/],
    ['operator', /command line/],
    ['user', /asked/],
  ])('(%s) is told with its reason and where the old conversation is', (reason, words) => {
    const notice = resetNotice({ reason, at: NOON, previousSessionId: 'before' });
    expect(notice).toMatch(words);
    expect(notice).toContain('claw sessions history before');
  });

  test('(missing) promises nothing that is not there', () => {
    expect(resetNotice({ reason: 'missing', at: NOON, previousSessionId: 'before' })).not.toMatch(/kept/);
    expect(planFor('/new', { transcript: 'missing' }).reply).not.toMatch(/kept/);
  });
});

describe('several messages of one turn', () => {
  const batch = [
    incoming({ messageId: 'a', text: 'first' }),
    incoming({ messageId: 'b', text: 'second', acceptedAt: NOON + 1, via: 'both', queuedAs: 'stem' }),
  ];

  test('stand in the transcript one by one and are asked as one text', () => {
    const made = plan({ batch });
    expect(made.body).toBe('first\n\nsecond');
    expect(
      users(made).map(user => [user.id, user.message.content, user.timestamp, user.via, user.queuedAs]),
    ).toEqual([
      ['a', 'first', NOON, 'stdout', undefined],
      ['b', 'second', NOON + 1, 'both', 'stem'],
    ]);
    expect(turnOf(made).messageIds).toEqual(['a', 'b']);
  });

  test('are judged by the first of them: with it the session goes on or begins', () => {
    const late = [
      incoming({ messageId: 'a', acceptedAt: NOON + 2 }),
      incoming({ messageId: 'b', acceptedAt: NOON + 3 }),
    ];
    const made = plan({ record: stale(), batch: late });
    expect(made.reset).toMatchObject({ reason: 'daily', at: NOON + 2 });
    expect(types(made)).toEqual(['session', 'message', 'message', 'turn']);
  });
});

describe('how many of the waiting messages one turn takes', () => {
  const size = (waiting: Incoming[], mode: 'collect' | 'followup' = 'collect', config: ConfigInput = {}) =>
    batchSize(config, waiting, mode);
  const from = (part: Parameters<typeof message>[0]) => incoming({ message: message(part) });
  const plain = incoming();

  test.each<[string, Incoming[], number]>([
    ['none', [], 1],
    ['one', [plain], 1],
    ['three of one sender', [plain, plain, plain], 3],
    ['a command first', [incoming({ text: '/new' }), plain, plain], 1],
    ['a command with text first', [incoming({ text: '/new hello' }), plain], 1],
    ['a command behind two', [plain, plain, incoming({ text: '/new' }), plain], 2],
    ['a command with text behind one', [plain, incoming({ text: '/reset hello' }), plain], 1],
    ['what only looks like a command', [plain, incoming({ text: '/newsletter' })], 2],
    ['another sender', [plain, from({ from: 'bob' }), plain], 1],
    ['another channel', [plain, from({ channel: 'discord' })], 1],
    ['another account', [plain, from({ accountId: 'biz' })], 1],
    ['another thread', [plain, from({ threadId: '7' })], 1],
    [
      'another group',
      [from({ chatType: 'group', groupId: '1' }), from({ chatType: 'group', groupId: '2' })],
      1,
    ],
    ['another kind of chat', [from({ groupId: '1' }), from({ chatType: 'group', groupId: '1' })], 1],
    ['another address it was sent to', [from({ to: 'bot1' }), from({ to: 'bot2' })], 1],
    ['another session that sends', [incoming({ sentFrom: 'a' }), incoming({ sentFrom: 'b' })], 1],
    [
      'another session that is told of the answer',
      [
        incoming({ announceTo: { agentId: 'a', key: 'x' } }),
        incoming({ announceTo: { agentId: 'a', key: 'y' } }),
      ],
      1,
    ],
    ['another name of the same sender', [plain, from({ fromName: 'Anna' })], 2],
    ['group chatter behind one', [plain, incoming({ respond: false }), plain], 1],
    ['group chatter first', [incoming({ respond: false }), incoming({ respond: false })], 1],
    ['an agent behind a user', [plain, incoming({ fromAgent: true })], 1],
    [
      'an agent, with what would be a command of a user',
      [incoming({ fromAgent: true }), incoming({ fromAgent: true, text: '/new' })],
      2,
    ],
  ])('%s', (_, waiting, taken) => {
    expect(size(waiting)).toBe(taken);
    expect(size(waiting, 'followup')).toBe(1);
  });

  test('a trigger of the config ends a batch too', () => {
    const config: ConfigInput = { session: { resetTriggers: ['fresh start'] } };
    expect(size([plain, incoming({ text: 'Fresh start' })], 'collect', config)).toBe(1);
  });

  test('a command that its sender may not use ends a batch too', () => {
    const config: ConfigInput = { session: { resetBy: 'owner' } };
    expect(size([plain, incoming({ text: '/new' })], 'collect', config)).toBe(1);
  });

  test('messages with another way back do not share one: the reply goes back as its last message wants', () => {
    const ways = ['stdout', 'sender', 'both', 'none'] as const;
    const taken = ways.map(via => ways.map(other => size([incoming({ via }), incoming({ via: other })])));
    expect(taken).toEqual(ways.map(via => ways.map(other => (via === other ? 2 : 1))));
  });
});

describe('which runner and model answer', () => {
  const config: ConfigInput = {
    agents: {
      defaults: { runner: 'cat', model: 'a/small' },
      list: [{ id: ' Work ', runner: 'llm', model: 'b/big' }, { id: 'plain' }],
    },
    runners: { cat: { command: 'cat' }, llm: { command: 'llm' } },
  };

  test.each([
    ['main', 'cat', 'a/small'],
    ['work', 'llm', 'b/big'],
    ['plain', 'cat', 'a/small'],
  ])('for agent %s: %s, %s', (agentId, runner, model) => {
    const made = plan({ config, batch: [incoming({ agentId })] });
    expect([runnerName(config, agentId), turnOf(made).runner, turnOf(made).model]).toEqual([
      runner,
      runner,
      model,
    ]);
  });

  test('with nothing configured recall answers, with no model', () => {
    const made = plan();
    expect(turnOf(made)).toMatchObject({ runner: 'recall' });
    expect(turnOf(made)).not.toHaveProperty('model');
    expect(agentEntry({}, 'main')).toBeUndefined();
  });

  test("the session's own model goes before the agent's", () => {
    const stored = given({ model: 'c/own' });
    expect(turnOf(plan({ config, stored })).model).toBe('c/own');
    expect(turnOf(planFor('/model b/big hello', { config, stored }, { owner: true })).model).toBe('b/big');
  });
});

test('the origin of a message holds what a reply needs, and nothing of its text', () => {
  const origin = originOf(
    message({
      id: '1',
      text: 'secret',
      timestamp: 5,
      mentioned: true,
      replyTo: '0',
      agentId: 'a',
      sessionKey: 'k',
    }),
  );
  expect(origin).toEqual({ channel: 'telegram', accountId: 'default', chatType: 'dm', from: 'anna' });
  const user = users(
    plan({ batch: [incoming({ message: message({ fromName: undefined }) })] }),
  )[0] as UserEntry;
  expect(Object.hasOwn(user.origin, 'fromName')).toBe(false);
});

describe('a second person in a private session', () => {
  const spoke = (part: Parameters<typeof message>[0], key = KEY) =>
    record({ key, lastRoute: originOf(message(part)) });
  const speaks = (part: Parameters<typeof message>[0], key = KEY) =>
    incoming({ key, message: message(part) });

  test.each<[string, Parameters<typeof message>[0]]>([
    ['somebody else on the channel', { from: 'bob' }],
    ['somebody on another channel, also of the same name', { channel: 'discord' }],
    ['somebody who is not named', { from: undefined }],
  ])('%s: the operator is told who, where, and what helps', (_, part) => {
    const notice = newPersonNotice({}, spoke({}), speaks(part));
    expect(notice).toMatch(/agent:main:main.*telegram:anna.*session\.dmScope.*identityLinks/);
  });

  test.each<[string, Parameters<typeof message>[0]]>([
    ['the same person', {}],
    ['the same person under another name', { fromName: 'Anna B.' }],
    ['a group', { chatType: 'group', groupId: '1', from: 'bob' }],
    ["the operator's own shell", { channel: 'cli', from: undefined }],
  ])('%s is none', (_, part) => {
    expect(newPersonNotice({}, spoke({}), speaks(part))).toBeNull();
  });

  test('is none where nobody spoke before, or only a group or the operator did', () => {
    const before = [
      null,
      record(),
      spoke({ chatType: 'group', groupId: '1' }),
      spoke({ channel: 'cli', from: undefined }),
    ];
    for (const each of before) expect(newPersonNotice({}, each, speaks({ from: 'bob' }))).toBeNull();
  });

  test('is none where the key is of one person, so that only an identity link can have brought both here', () => {
    const key = 'agent:main:dm:anna';
    const config: ConfigInput = { session: { dmScope: 'per-peer' } };
    expect(
      newPersonNotice(config, spoke({ from: '1' }, key), speaks({ channel: 'discord', from: '2' }, key)),
    ).toBeNull();
  });

  test('is none where an identity link says that both are one person', () => {
    const config: ConfigInput = { session: { identityLinks: { anna: ['telegram:1', 'discord:2'] } } };
    const before = spoke({ from: '1' });
    expect(newPersonNotice(config, before, speaks({ channel: 'discord', from: '3' }))).not.toBeNull();
    expect(newPersonNotice(config, before, speaks({ channel: 'discord', from: '2' }))).toBeNull();
  });
});

test('an answer as one text has its notices first, in brackets', () => {
  expect(spoken([], 'hello')).toBe('hello');
  expect(spoken(['a', 'b'], 'hello\n')).toBe('(a)\n(b)\nhello\n');
});

describe('the notice of a resumed session', () => {
  test('says where the one until now is', () => {
    const notice = resetNotice({ reason: 'resume', at: NOON, previousSessionId: 'until-now' });
    expect(notice).toContain('claw sessions history until-now');
    expect(notice).not.toMatch(/^New session/);
  });
});
