import { describe, expect, test } from 'vitest';
import { knownModels, matchTrigger, resetModelHint } from '../../../src/core/session/trigger.ts';

const models = {
  aliases: { opus: 'anthropic/claude-opus-4-5', Fast: 'openai/gpt-4o-mini' },
  models: ['anthropic/claude-opus-4-5', 'openai/gpt-4o-mini', 'sonnet'],
};

const inDm = (text: string, triggers?: string[]) => matchTrigger(text, { chatType: 'dm', triggers, models });
const inGroup = (text: string, botNames?: string[]) =>
  matchTrigger(text, { chatType: 'group', botNames, models });

describe('what is a trigger', () => {
  test.each([
    ['/new', '/new', ''],
    ['/RESET', '/reset', ''],
    ['  /new \n', '/new', ''],
    ['/new: hi', '/new', 'hi'],
    ['/reset:', '/reset', ''],
    ['/new :', '/new', ''],
    ['/new\tKeep  My   Spaces', '/new', 'Keep  My   Spaces'],
    ['/new\nline two\n\n  indented', '/new', 'line two\n\n  indented'],
    ['/new@helper_bot hi', '/new', 'hi'],
    ['/new /reset', '/new', '/reset'],
  ])('%j', (text, trigger, remainder) => {
    expect(inDm(text)).toEqual({ trigger, model: null, remainder });
  });

  test.each([
    '',
    '/',
    '/newfoo',
    '/new-session',
    '/news',
    'new',
    'note: /new',
    'please /new',
    '//new',
    '/ new',
    '.*',
    '"/new"',
  ])('%j is text', text => {
    expect(inDm(text)).toBeNull();
  });

  test('configured triggers are added to the two built in, the longest first', () => {
    const triggers = ['fresh start', '/new topic', '*', ' '];
    expect(inDm('Fresh   START now', triggers)).toEqual({
      trigger: 'fresh start',
      model: null,
      remainder: 'now',
    });
    expect(inDm('/new topic: tides', triggers)).toMatchObject({ trigger: '/new topic', remainder: 'tides' });
    expect(inDm('/reset', triggers)).toMatchObject({ trigger: '/reset' });
    expect(inDm('* hello', triggers)).toMatchObject({ trigger: '*', remainder: 'hello' });
    expect(inDm('hello', triggers)).toBeNull();
    expect(inDm('fresh starting', triggers)).toBeNull();
  });
});

describe('in rooms', () => {
  test.each([
    ['@1234567 /new hi', 'hi'],
    ['@+4915112345 /new hi', 'hi'],
    ['@helper_bot, /new hi', 'hi'],
    ['@1234567 @helper_bot /new hi', 'hi'],
    ['/new@helper_bot hi', 'hi'],
    ['/new@helper_bot', ''],
  ])('%j is addressed to us', (text, remainder) => {
    expect(inGroup(text)).toEqual({ trigger: '/new', model: null, remainder });
    expect(inGroup(text, ['Helper_Bot'])).toEqual({ trigger: '/new', model: null, remainder });
  });

  test('with our names known, what is said to others is not', () => {
    expect(inGroup('@alice /new is broken', ['helper_bot'])).toBeNull();
    expect(inGroup('/new@other_bot', ['helper_bot'])).toBeNull();
  });

  test('a mention alone is text, and in private nothing is stripped', () => {
    expect(inGroup('@1234567')).toBeNull();
    expect(inDm('@1234567 /new')).toBeNull();
  });
});

describe('a model behind the trigger', () => {
  test.each([
    ['/new opus', 'anthropic/claude-opus-4-5', ''],
    ['/new Opus hello', 'anthropic/claude-opus-4-5', 'hello'],
    ['/new fast\nline two', 'openai/gpt-4o-mini', 'line two'],
    ['/new openai/gpt-4o-mini explain tides', 'openai/gpt-4o-mini', 'explain tides'],
    ['/new openai gpt-4o-mini explain tides', 'openai/gpt-4o-mini', 'explain tides'],
    ['/new sonnet', 'sonnet', ''],
  ])('%j', (text, model, remainder) => {
    expect(inDm(text)).toMatchObject({ model, remainder });
  });

  // Anything short of an exact name is what the person wants to say, and must arrive.
  test.each(['opusculum', 'gpt-4o-mini please', 'openai', 'openai explain tides', 'unknown/model hi', ''])(
    '%j is text',
    remainder => {
      expect(resetModelHint(remainder, models)).toEqual({ model: null, remainder });
    },
  );

  test('without models everything is text', () => {
    expect(matchTrigger('/new opus', { chatType: 'dm' })).toEqual({
      trigger: '/new',
      model: null,
      remainder: 'opus',
    });
  });

  test('names of object members are not aliases', () => {
    expect(resetModelHint('constructor hi', models)).toEqual({ model: null, remainder: 'constructor hi' });
  });

  test('the configuration knows its aliases, their models, and the models of its agents', () => {
    expect(
      knownModels({
        models: { opus: 'anthropic/claude-opus-4-5' },
        agents: { defaults: { model: 'sonnet' }, list: [{ id: 'a', model: 'openai/gpt-5' }, { id: 'b' }] },
      }),
    ).toEqual({
      aliases: { opus: 'anthropic/claude-opus-4-5' },
      models: ['anthropic/claude-opus-4-5', 'sonnet', 'openai/gpt-5'],
    });
    expect(knownModels({})).toEqual({ aliases: {}, models: [] });
  });
});

test('a trigger that is not offered is text; those of the configuration stay', () => {
  const match = (text: string) =>
    matchTrigger(text, { chatType: 'dm', triggers: ['/fresh'], disabled: ['new', 'fresh'] })?.trigger ?? null;
  expect(['/new', '/new hi', '/reset', '/fresh'].map(match)).toEqual([null, null, '/reset', '/fresh']);
});
