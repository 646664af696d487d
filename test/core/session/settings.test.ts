import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import {
  applyChange,
  cleanSettings,
  isSettingName,
  readSetting,
  resolveSettings,
  SETTING_NAMES,
  type SettingName,
  type SettingsChange,
  type StoredSettings,
  settingsInForce,
} from '../../../src/core/session/settings.ts';

const KEY = 'agent:main:main';
const BORN = 1000;
const holder = (sessionId = 's1', createdAt = BORN) => ({ sessionId, createdAt });

/** Settings given in session `s1`, one change after the other. */
function stored(...changes: [SettingsChange, number, boolean?][]): StoredSettings | null {
  return changes.reduce<StoredSettings | null>(
    (before, [change, at, untilReset]) => applyChange(before, KEY, holder(), change, at, untilReset),
    null,
  );
}

const inForce = (settings: StoredSettings | null, sessionId = 's1', preserve = true, createdAt = BORN) =>
  settingsInForce(settings, holder(sessionId, createdAt), preserve);

/** One usable value of each setting. */
const VALUES: Record<SettingName, string | number> = {
  model: 'a/b',
  thinkingLevel: 'high',
  verboseLevel: 'on',
  reasoningLevel: 'stream',
  elevated: 'ask',
  sendPolicy: 'deny',
  groupActivation: 'always',
  ttsMode: 'tagged',
  queueMode: 'followup',
  queueDebounceMs: 2000,
  queueCap: 5,
  queueDrop: 'old',
  replyPolicy: 'announce',
  announceChannel: 'telegram',
  label: 'home',
};

describe('a value as somebody typed it', () => {
  test.each(Object.entries(VALUES))('%s: %j is one', (name, value) => {
    expect(isSettingName(name)).toBe(true);
    expect(readSetting(name as SettingName, String(value))).toEqual({ ok: true, value });
  });

  test('every setting has a value in this table', () => {
    expect(Object.keys(VALUES)).toEqual(SETTING_NAMES);
  });

  test.each<[SettingName, string, string | number | null]>([
    ['thinkingLevel', ' HIGH ', 'high'],
    ['thinkingLevel', 'higher', null],
    ['thinkingLevel', '', null],
    ['model', '  a/b ', 'a/b'],
    ['model', ' ', null],
    ['model', 'a\nb', null],
    ['model', 'x'.repeat(201), null],
    ['label', 'x'.repeat(64), 'x'.repeat(64)],
    ['label', 'x'.repeat(65), null],
    ['queueDebounceMs', '0', 0],
    ['queueDebounceMs', '2s', 2000],
    ['queueDebounceMs', '-1', null],
    ['queueDebounceMs', 'soon', null],
    ['queueCap', '1', 1],
    ['queueCap', '0', null],
    ['queueCap', '1.5', null],
    ['queueCap', '9999999999', null],
    ['queueMode', 'concurrent', null],
    ['sendPolicy', 'off', null],
    ['elevated', 'full', 'full'],
  ])('%s %j: %j', (name, text, value) => {
    const read = readSetting(name, text);
    expect(read).toEqual(
      value === null ? { ok: false, expected: expect.stringMatching(/\S/) } : { ok: true, value },
    );
  });

  test.each(['__proto__', 'constructor', 'toString', 'Model', '', 'settings'])('%j is no setting', name => {
    expect(isSettingName(name)).toBe(false);
  });
});

describe('a file of settings is believed only as far as it holds some', () => {
  const good = { value: 'high', at: 5, sessionId: 's1' };

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'thinkingLevel'],
    ['a list', [good]],
    ['a name that is none', { thinking: good, __proto__: { thinkingLevel: good } }],
    ['a bare value', { thinkingLevel: 'high' }],
    ['null behind a name', { thinkingLevel: null }],
    ['no time', { thinkingLevel: { value: 'high', sessionId: 's1' } }],
    ['a time in words', { thinkingLevel: { ...good, at: '5' } }],
    ['no session', { thinkingLevel: { value: 'high', at: 5 } }],
    ['a session that is a number', { thinkingLevel: { ...good, sessionId: 1 } }],
    ['a level that is none', { thinkingLevel: { ...good, value: 'very' } }],
    ['a level that is an object', { thinkingLevel: { ...good, value: { toString: 'high' } } }],
    ['a cap of nothing', { queueCap: { ...good, value: 0 } }],
    ['a model that is a line break', { model: { ...good, value: 'a\nb' } }],
  ])('%s: none', (_, value) => {
    expect(cleanSettings(value)).toEqual({});
  });

  test('what is broken takes nothing with it that is whole', () => {
    expect(cleanSettings({ thinkingLevel: good, queueCap: { ...good, value: 'x' }, other: 1 })).toEqual({
      thinkingLevel: good,
    });
  });

  test('anything at all: it never throws, and what comes out is usable and comes out again', () => {
    const name = fc.oneof(fc.constantFrom<string>(...SETTING_NAMES), fc.string());
    const entry = fc.oneof(
      fc.record(
        {
          value: fc.oneof(fc.constantFrom(...Object.values(VALUES)), fc.jsonValue()),
          at: fc.oneof(fc.nat(), fc.jsonValue()),
          sessionId: fc.oneof(fc.constant('s1'), fc.jsonValue()),
          untilReset: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fc.oneof(fc.dictionary(name, entry), fc.jsonValue()), value => {
        const clean = cleanSettings(value);
        for (const [key, setting] of Object.entries(clean)) {
          expect(isSettingName(key)).toBe(true);
          if (setting.value !== null)
            expect(readSetting(key as SettingName, String(setting.value))).toEqual({
              ok: true,
              value: setting.value,
            });
          expect([typeof setting.at, typeof setting.sessionId]).toEqual(['number', 'string']);
        }
        expect(cleanSettings(clean)).toEqual(clean);
      }),
      { numRuns: 500 },
    );
  });
});

describe('which settings hold', () => {
  const kept = stored([{ thinkingLevel: 'high' }, 1]);
  const sticky = stored([{ thinkingLevel: 'high' }, 1, true]);

  test.each<[string, StoredSettings | null, string, boolean, boolean]>([
    ['in the session they were given in', kept, 's1', true, true],
    ['behind a reset', kept, 's2', true, true],
    ['behind a reset that keeps none', kept, 's2', false, false],
    ['in their own session, where resets keep none', kept, 's1', false, true],
    ['given inside a text, in that session', sticky, 's1', true, true],
    ['given inside a text, behind a reset', sticky, 's2', true, false],
    ['never given', null, 's1', true, false],
  ])('%s', (_, settings, sessionId, preserve, holds) => {
    expect(inForce(settings, sessionId, preserve)).toEqual(holds ? { thinkingLevel: 'high' } : {});
  });

  test('those of a session that was deleted do not come back with its key', () => {
    expect(inForce(kept, 's1', true, BORN + 1)).toEqual({});
    // Nor are they taken over by the first change of the new one.
    const next = applyChange(kept, KEY, holder('s2', BORN + 1), { model: 'a/b' }, 9);
    expect(next.settings).toEqual({ model: { value: 'a/b', at: 9, sessionId: 's2' } });
    expect(inForce(next, 's2', true, BORN + 1)).toEqual({ model: 'a/b' });
  });

  test('set again in a later session, one given inside a text stays beyond the next reset', () => {
    const again = applyChange(sticky, KEY, holder('s2'), { thinkingLevel: 'low' }, 2);
    expect(inForce(again, 's3')).toEqual({ thinkingLevel: 'low' });
  });
});

describe('a change', () => {
  test('sets, takes back, and leaves the others', () => {
    const before = stored([{ thinkingLevel: 'high', model: 'a/b' }, 1]);
    const after = applyChange(before, KEY, holder(), { thinkingLevel: null, verboseLevel: 'on' }, 2);
    expect(inForce(after)).toEqual({ model: 'a/b', verboseLevel: 'on' });
    expect(inForce(before)).toEqual({ thinkingLevel: 'high', model: 'a/b' });
  });

  test('redone behind a later one does not undo it', () => {
    const early: [SettingsChange, number] = [{ thinkingLevel: 'low' }, 1];
    const late: [SettingsChange, number] = [{ thinkingLevel: 'high' }, 2];
    expect(inForce(stored(early, late, early))).toEqual({ thinkingLevel: 'high' });
    expect(inForce(stored(late, early))).toEqual({ thinkingLevel: 'high' });
  });

  test('that takes back is not undone by an earlier one redone behind it', () => {
    const high: [SettingsChange, number] = [{ thinkingLevel: 'high' }, 1];
    const back: [SettingsChange, number] = [{ thinkingLevel: null }, 2];
    expect(inForce(stored(high, back, high))).toEqual({});
    expect(inForce(stored(high, back, [{ thinkingLevel: 'low' }, 3]))).toEqual({ thinkingLevel: 'low' });
    expect(cleanSettings(stored(high, back)!.settings)).toEqual(stored(high, back)!.settings);
  });

  test('behind a clock that was set back is the later one all the same', () => {
    const future = stored([{ thinkingLevel: 'high', model: 'a/b' }, 5000]);
    const after = applyChange(future, KEY, holder(), { thinkingLevel: 'low', model: null }, 100, false, 100);
    expect(inForce(after)).toEqual({ thinkingLevel: 'low' });
    // What was accepted before the clock was set back is still ordered by its own times.
    const redone = applyChange(future, KEY, holder(), { thinkingLevel: 'low' }, 4000, false, 100);
    expect(inForce(redone)).toEqual({ thinkingLevel: 'high', model: 'a/b' });
  });

  test('of the same moment as another: who comes last wins', () => {
    expect(inForce(stored([{ model: 'a' }, 1], [{ model: 'b' }, 1]))).toEqual({ model: 'b' });
  });

  const change = fc
    .dictionary(fc.constantFrom(...SETTING_NAMES), fc.boolean(), { maxKeys: 4 })
    .map(
      names =>
        Object.fromEntries(
          Object.entries(names).map(([name, set]) => [name, set ? VALUES[name as SettingName] : null]),
        ) as SettingsChange,
    );
  const sets = fc
    .uniqueArray(fc.constantFrom(...SETTING_NAMES), { maxLength: 4 })
    .map(names => Object.fromEntries(names.map(name => [name, VALUES[name]])) as SettingsChange);

  test('whatever comes: the time of a setting never goes back', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(change, fc.nat(20))), changes => {
        let before: StoredSettings | null = null;
        for (const [each, at] of changes) {
          const after: StoredSettings = applyChange(before, KEY, holder(), each, at);
          for (const [name, setting] of Object.entries(before?.settings ?? {})) {
            const now = after.settings[name as SettingName];
            if (now) expect(now.at).toBeGreaterThanOrEqual(setting.at);
            // Taken back only by a change that is not older.
            else expect(at).toBeGreaterThanOrEqual(setting.at);
          }
          before = after;
        }
      }),
    );
  });

  test('settings given at different times come to the same in any order', () => {
    fc.assert(
      fc.property(
        fc.array(sets, { maxLength: 6 }).chain(all =>
          fc.tuple(
            fc.constant(all),
            fc.shuffledSubarray(
              all.map((_, index) => index),
              { minLength: all.length },
            ),
          ),
        ),
        ([all, order]) => {
          const inOrder = stored(...all.map((each, at): [SettingsChange, number] => [each, at]));
          const shuffled = stored(...order.map((at): [SettingsChange, number] => [all[at]!, at]));
          expect(shuffled?.settings ?? {}).toEqual(inOrder?.settings ?? {});
        },
      ),
    );
  });

  test('done twice is done once', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(change, fc.nat(5))), change, fc.nat(5), (before, again, at) => {
        const once = applyChange(stored(...before), KEY, holder(), again, at);
        expect(applyChange(once, KEY, holder(), again, at)).toEqual(once);
      }),
    );
  });
});

describe('inline > session > agent > defaults > built in', () => {
  const config: ConfigInput = {
    agents: {
      defaults: { model: 'd/defaults', thinkingLevel: 'low' },
      list: [{ id: 'main' }, { id: 'work', model: 'a/agent' }],
    },
    messages: { queue: { mode: 'followup', cap: 3 } },
  };

  test.each<[string, string, SettingsChange, SettingsChange, string, string]>([
    ['nothing set', 'main', {}, {}, 'd/defaults', 'defaults'],
    ['by the agent', 'work', {}, {}, 'a/agent', 'agent'],
    ['by the session', 'work', { model: 's/session' }, {}, 's/session', 'session'],
    ['inside the message', 'work', { model: 's/session' }, { model: 'i/inline' }, 'i/inline', 'inline'],
  ])('model, %s', (_, agentId, session, inline, value, source) => {
    const resolved = resolveSettings(config, agentId, session as never, inline as never);
    expect(resolved.model).toEqual({ value, source });
    expect(resolved.thinkingLevel).toEqual({ value: 'low', source: 'defaults' });
  });

  test('the queue: session, config, built in', () => {
    const resolved = resolveSettings(config, 'main', { queueCap: 7 });
    expect(resolved).toMatchObject({
      queueMode: { value: 'followup', source: 'defaults' },
      queueCap: { value: 7, source: 'session' },
      queueDebounceMs: { value: 0, source: 'default' },
      queueDrop: { value: 'summarize', source: 'default' },
    });
    expect(resolveSettings({}, 'main', {})).toMatchObject({
      queueMode: { value: 'collect', source: 'default' },
      queueCap: { value: 20, source: 'default' },
      model: { value: null, source: 'default' },
    });
  });

  test('every setting is there, whether or not somebody set it', () => {
    expect(Object.keys(resolveSettings({}, 'main', {}))).toEqual(SETTING_NAMES);
  });
});
