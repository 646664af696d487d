import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { decideSending, type SendFacts } from '../../../src/core/delivery/send-policy.ts';
import vectors from '../../fixtures/vectors/send-policy.json' with { type: 'json' };

/** Vectors that are not about this rule, with the reason. */
const LEFT_OUT: Record<string, string> = {
  'sp-023': 'a whole turn with a directive: run end to end in test/e2e/directives.test.ts',
};

interface Given {
  op: string;
  config: ConfigInput;
  store: { entry?: { sendPolicy?: string; channel?: string; chatType?: string; lastChannel?: string } };
  message: { SessionKey?: string; channel?: string; chatType?: string };
}

function run({ op, config, store, message }: Given) {
  if (op !== 'sendPolicy') throw new Error(`no adapter for ${op}`);
  const { sendPolicy, channel, chatType, lastChannel } = store.entry ?? {};
  return decideSending({
    config,
    sessionSetting: sendPolicy,
    key: message.SessionKey,
    channel: message.channel,
    chatType: message.chatType,
    origin: { channel, chatType },
    lastRoute: { channel: lastChannel },
  });
}

const toRun = vectors.filter(({ id }) => LEFT_OUT[id] === undefined);

test.each(toRun.map(vector => [vector.id, vector.note, vector] as const))('%s %s', (_id, _note, vector) => {
  expect(run(vector.given as unknown as Given)).toMatchObject(vector.expect);
});

test('every vector is run or left out with a reason', () => {
  const ids = vectors.map(({ id }) => id);
  expect(new Set(ids).size).toBe(13);
  expect(Object.keys(LEFT_OUT).filter(id => !ids.includes(id))).toEqual([]);
  expect(toRun.length + Object.keys(LEFT_OUT).length).toBe(ids.length);
});

type Policy = NonNullable<NonNullable<ConfigInput['session']>['sendPolicy']>;
type Rule = NonNullable<Policy['rules']>[number];

const deny = (match: Rule['match']): Rule => ({ action: 'deny', match });
const allow = (match: Rule['match']): Rule => ({ action: 'allow', match });
const decide = (policy: Policy, facts: Partial<SendFacts> = {}) =>
  decideSending({ config: { session: { sendPolicy: policy } }, ...facts });
const isDenied = (match: Rule['match'], facts: Partial<SendFacts>) =>
  decide({ rules: [deny(match)] }, facts).decision === 'deny';

describe('what decided is said', () => {
  const rules = [allow({ channel: 'sms' }), deny({ channel: 'irc' }), allow({}), deny({ channel: 'irc' })];
  test.each<[Policy, Partial<SendFacts>, string, string]>([
    [{ rules, default: 'deny' }, { sessionSetting: 'deny', channel: 'sms' }, 'deny', '/send off'],
    [{ rules, default: 'deny' }, { sessionSetting: 'allow', channel: 'irc' }, 'allow', '/send on'],
    [{ rules }, { sessionSetting: 'announce', channel: 'irc' }, 'deny', 'session.sendPolicy.rules[1]'],
    [{ rules, default: 'deny' }, { channel: 'sms' }, 'allow', 'session.sendPolicy.rules[0]'],
    [{ rules, default: 'deny' }, {}, 'allow', 'session.sendPolicy.rules[2]'],
    [{ default: 'deny' }, {}, 'deny', 'session.sendPolicy.default'],
    [{ rules: [] }, {}, 'allow', 'default'],
  ])('%j %j: %s by %s', (policy, facts, decision, rule) => {
    expect(decide(policy, facts)).toEqual({ decision, rule });
  });
});

describe('a rule matches', () => {
  test('when all that it names does', () => {
    const match = { channel: ' Telegram ', chatType: 'Group', keyPrefix: 'telegram:' };
    expect(isDenied(match, { key: 'agent:main:telegram:group:-1' })).toBe(true);
    expect(isDenied(match, { key: 'agent:main:telegram:channel:-1' })).toBe(false);
    expect(isDenied(match, { key: 'agent:main:telegram:group:-1', channel: 'irc' })).toBe(false);
  });

  test('what is sent before the session, the session before its last route, that before the key', () => {
    const key = 'agent:main:telegram:group:-1';
    const places = { channel: 'a', origin: { channel: 'b' }, lastRoute: { channel: 'c' } };
    expect(isDenied({ channel: 'a' }, { key, ...places })).toBe(true);
    expect(isDenied({ channel: 'b' }, { key, ...places, channel: undefined })).toBe(true);
    expect(isDenied({ channel: 'c' }, { key, ...places, channel: ' ', origin: {} })).toBe(true);
    expect(isDenied({ channel: 'telegram' }, { key })).toBe(true);
  });

  test.each<[string, string, boolean]>([
    ['group', 'agent:main:telegram:group:-1:topic:5', true],
    ['thread', 'agent:main:telegram:group:-1:topic:5', true],
    ['channel', 'agent:main:telegram:group:-1:topic:5', false],
    ['room', 'agent:main:discord:channel:1', true],
    ['private', 'agent:main:main', true],
    ['dm', 'agent:main:sms:work:dm:+1', true],
    ['direct', 'agent:main:dm:anna', true],
    ['group', 'agent:main:cron:j', false],
    ['group', 'not a key', false],
  ])('chat type %s and the key %s: %s', (chatType, key, denied) => {
    expect(isDenied({ chatType }, { key })).toBe(denied);
  });

  test('a thread of a group is of that group, also when only its message says that it is a thread', () => {
    const facts = { key: 'agent:main:telegram:group:-1:topic:5', chatType: 'thread' };
    expect(isDenied({ chatType: 'group' }, facts)).toBe(true);
    expect(isDenied({ chatType: 'thread' }, facts)).toBe(true);
  });

  test.each<[string, string, boolean]>([
    ['cron:', 'agent:main:cron:job-1', true],
    ['CRON:', 'agent:main:cron:job-1', true],
    ['agent:main:', 'agent:main:cron:job-1', true],
    ['agent:work:', 'agent:main:cron:job-1', false],
    ['job', 'agent:main:cron:job-1', false],
    ['cron:', 'cron:job-1', true],
  ])('key prefix %s and the key %s: %s', (keyPrefix, key, denied) => {
    expect(isDenied({ keyPrefix }, { key })).toBe(denied);
  });
});
