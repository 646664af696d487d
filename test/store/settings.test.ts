import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { SETTING_NAMES, type SettingName, type SettingsChange } from '../../src/core/session/settings.ts';
import { Layout } from '../../src/store/layout.ts';
import { tryLock } from '../../src/store/lock.ts';
import { changeSettings, loadSettings, removeSettings } from '../../src/store/settings.ts';
import { KEY, NOON } from '../core/turn-facts.ts';
import { useWorkers } from './processes.ts';
import { contextIn, modeOf, names, scratch, snapshot } from './scratch.ts';

const { together } = useWorkers();

const place = { agentId: 'main', key: KEY };
const holder = { createdAt: NOON, sessionId: 's1' };

function store() {
  const home = scratch();
  const layout = new Layout(home);
  const context = contextIn(home);
  return {
    home,
    layout,
    file: layout.settings('main', KEY),
    load: () => loadSettings(layout, 'main', KEY),
    change: (change: SettingsChange, at = NOON, untilReset = false) =>
      changeSettings(context, layout, place, holder, change, { at, untilReset }),
  };
}

/** One value of each setting. */
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

test('what was set is there for the next process, readable by its owner alone', async () => {
  const { file, load, change, layout } = store();
  expect(load()).toBeNull();
  const after = await change({ thinkingLevel: 'high' });
  expect(load()).toEqual(after);
  expect(after.settings).toEqual({ thinkingLevel: { value: 'high', at: NOON, sessionId: 's1' } });
  expect(modeOf(file)).toBe('600');
  expect(modeOf(path.dirname(file))).toBe('700');
  expect(names(path.dirname(file))).toEqual([path.basename(file)]);
  expect(names(layout.drafts('main'))).toEqual([]);
});

describe('many processes at once', () => {
  test('each sets another one: all are there (S02 openclaw#10331)', async () => {
    const { home, load, layout } = store();
    const inputs = Array.from({ length: 20 }, (_, number) => {
      const name = SETTING_NAMES[number % SETTING_NAMES.length]!;
      return { home, changes: [{ change: { [name]: VALUES[name] } as SettingsChange, at: NOON + number }] };
    });
    await together('changeSettings', inputs);
    const settings = load()!.settings;
    expect(Object.fromEntries(Object.entries(settings).map(([name, { value }]) => [name, value]))).toEqual(
      VALUES,
    );
    expect(names(path.join(layout.home, 'locks', '.settings'))).toEqual([]);
    expect(names(layout.drafts('main'))).toEqual([]);
  });

  test('set the same one: the change accepted last stands, whoever wrote last', async () => {
    const { home, load } = store();
    const inputs = Array.from({ length: 8 }, (_, number) => ({
      home,
      changes: [{ change: { model: `m/${number}` }, at: NOON + number }],
    }));
    await together('changeSettings', inputs);
    expect(load()!.settings.model).toEqual({ value: 'm/7', at: NOON + 7, sessionId: 's1' });
  });
});

test.each<[string, (file: string, text: string) => string, RegExp]>([
  ['torn', (_, text) => text.slice(0, 20), /./],
  ['empty', () => '', /./],
  ['a list', () => '[]', /version/],
  ['of a later version', (_, text) => text.replace('"version":1', '"version":2'), /version 2/],
  ['of another key', (_, text) => text.replace(KEY, 'agent:main:other'), /another key/],
  ['without its age', (_, text) => text.replace('"createdAt"', '"created"'), /createdAt/],
])('a file that is %s is reported and left, not taken for an empty one', async (_, spoil, reason) => {
  const { home, file, load, change } = store();
  await change({ thinkingLevel: 'high' });
  const spoiled = spoil(file, fs.readFileSync(file, 'utf8').replace(/:\s+/g, ':'));
  fs.writeFileSync(file, spoiled);
  const before = snapshot(home);
  expect(load).toThrow(
    expect.objectContaining({ code: 'state-unreadable', message: expect.stringMatching(reason) }),
  );
  expect(load).toThrow(expect.objectContaining({ message: expect.stringContaining(file) }));
  await expect(change({ model: 'a/b' })).rejects.toMatchObject({
    code: 'state-unreadable',
    exit: 'data',
    hint: expect.stringContaining('claw'),
  });
  expect(snapshot(home)).toEqual(before);
});

test('a change that changes nothing leaves the file as it is', async () => {
  const { file, change, load } = store();
  await change({ thinkingLevel: 'high', model: 'a/b' });
  fs.utimesSync(file, 1000, 1000);
  const before = fs.statSync(file);
  for (const [what, at] of [
    [{ thinkingLevel: 'high' }, NOON],
    [{ thinkingLevel: 'low' }, NOON - 1],
    [{ verboseLevel: null }, NOON],
    [{}, NOON],
  ] as const)
    await change(what, at);
  const after = fs.statSync(file);
  expect([after.mtimeMs, after.ino]).toEqual([before.mtimeMs, before.ino]);
  await change({ thinkingLevel: 'low' }, NOON + 1);
  expect(fs.statSync(file).mtimeMs).not.toBe(before.mtimeMs);
  expect(load()!.settings.thinkingLevel?.value).toBe('low');
});

test('the settings of a deleted session are gone with it, and none is missed', async () => {
  const { layout, change, load } = store();
  await change({ model: 'a/b' });
  removeSettings(layout, 'main', KEY);
  expect(load()).toBeNull();
  removeSettings(layout, 'main', KEY);
});

test('a living writer that never comes to an end: said, nothing written', async () => {
  const { home, layout, file } = store();
  const context = contextIn(home);
  const lock = tryLock(context, layout.settingsLock('main', KEY), KEY)!;
  // A clock that runs ahead with every look: patience ends at once.
  let now = NOON;
  const hurried = contextIn(home, { now: () => (now += 3000) });
  const change = changeSettings(hurried, layout, place, holder, { model: 'a/b' }, { at: NOON });
  await expect(change).rejects.toMatchObject({ code: 'settings-busy', exit: 'tempfail' });
  expect(fs.existsSync(file)).toBe(false);
  lock.release();
});
