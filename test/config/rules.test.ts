import { describe, expect, test } from 'vitest';
import { formatPath } from '../../src/config/config-path.ts';
import { checkRules } from '../../src/config/rules.ts';
import type { ConfigInput } from '../../src/config/schema.ts';

const binding = (agentId: string) => ({ agentId, match: { channel: 'telegram' } });

function find(config: ConfigInput) {
  const { errors, warnings } = checkRules(config);
  const written = (kind: typeof errors) => kind.map(({ path, message }) => `${formatPath(path)}: ${message}`);
  return { errors: written(errors), warnings: written(warnings) };
}

test('nothing configured, nothing to complain about', () => {
  expect(find({})).toEqual({ errors: [], warnings: [] });
});

describe('agents', () => {
  test('openclaw#6602: a binding to an agent that is not configured is an error, with the name that was meant', () => {
    const list = [{ id: 'Work' }, { id: 'home' }];
    expect(
      find({ agents: { list }, bindings: [binding('work'), binding('wrok'), binding('main')] }).errors,
    ).toEqual([
      'bindings[1].agentId: the agent "wrok" is not configured in agents.list; did you mean "work"?',
      'bindings[2].agentId: the agent "main" is not configured in agents.list',
    ]);
    expect(find({ bindings: [binding('main')] }).errors).toEqual([]);
    expect(find({ bindings: [binding('work')] }).errors).toHaveLength(1);
  });

  test('agents that work in one folder are told apart by nobody: a warning', () => {
    const of = (agents: ConfigInput['agents']) => find({ agents }).warnings;
    const three = [
      { id: 'a', workspace: '~/x' },
      { id: 'b', workspace: '~/y' },
      { id: 'c', workspace: '~/x/' },
    ];
    expect(of({ list: three })).toEqual([
      'agents.list[2].workspace: a and c work in one folder (~/x): they share its files, notes and HEARTBEAT.md; give each its own agents.list[].workspace if that is not meant',
    ]);
    expect(of({ defaults: { workspace: '~/x' }, list: [{ id: 'a' }, { id: 'b' }] })[0]).toMatch(
      /^agents\.defaults\.workspace: a and b work in one folder/,
    );
    expect(of({ defaults: { workspace: '~/x' }, list: [{ id: 'a' }] })).toEqual([]);
    expect(of({ list: [{ id: 'a' }, { id: 'b' }] })).toEqual([]);
  });

  test('an id is there once, in any case, and only one agent is the default', () => {
    expect(
      find({ agents: { list: [{ id: 'a', default: true }, { id: 'A' }, { id: 'b', default: true }] } })
        .errors,
    ).toEqual([
      'agents.list[1].id: "A" is also the id of agents.list[0]',
      'agents.list: only one agent can be the default, these are: "a", "b"',
    ]);
  });

  // openclaw#47403: a colon in an agent id made keys that could not be read back.
  test.each(['a:b', '../x', 'My Agent', '-x', 'é'])(
    'openclaw#47403: "%s" cannot be the id of an agent',
    id => {
      expect(find({ agents: { list: [{ id }] } }).errors[0]).toMatch(
        /becomes part of session keys and paths; write "/,
      );
    },
  );
});

test('a runner must be built in or configured, and recall is taken', () => {
  const runners = { claude: { command: 'claude' } };
  expect(
    find({ agents: { defaults: { runner: 'recall' }, list: [{ id: 'a', runner: 'claude' }] }, runners })
      .errors,
  ).toEqual([]);
  expect(
    find({ agents: { defaults: { runner: 'claud' }, list: [{ id: 'a', runner: 'toString' }] }, runners })
      .errors,
  ).toEqual([
    expect.stringMatching(
      /^agents.defaults.runner: there is no runner "claud"; did you mean "claude"\?; known: recall, claude; presets: /,
    ),
    expect.stringMatching(/^agents.list\[0\].runner: there is no runner "toString"; known: recall, claude; /),
  ]);
  expect(find({ runners: { recall: { command: 'x' } } }).errors).toEqual([
    'runners.recall: "recall" is built in; give this runner another name',
  ]);
});

test('a preset is a runner without an entry, or with one that says more', () => {
  expect(find({ agents: { defaults: { runner: 'codex' } } }).errors).toEqual([]);
  const runners = {
    gemini: { timeoutSeconds: 5, permissions: 'edit' },
    mine: { preset: 'claude', moreArgs: ['--add-dir', '/x'] },
  } as const;
  expect(
    find({ agents: { defaults: { runner: 'mine' } }, runners } as unknown as ConfigInput).errors,
  ).toEqual([]);
});

test('a runner that is neither preset nor command, or mixes them up, is an error', () => {
  expect(find({ runners: { mine: { timeoutSeconds: 5 } } }).errors).toEqual([
    'runners.mine.command: is missing: expected string, or a preset beside it',
  ]);
  expect(find({ runners: { mine: { command: 'x', permissions: 'full' } } }).errors).toEqual([
    'runners.mine.permissions: belongs to a preset; here args say all of it',
  ]);
});

test('zeroclaw#6739: zones that are not known are errors wherever one stands', () => {
  const tz = 'Europe/Stokholm';
  const config: ConfigInput = {
    timezone: tz,
    session: {
      reset: { tz },
      resetByType: { dm: { tz } },
      resetByChannel: { sms: { tz: 'UTC' }, irc: { tz: '+02:00' } },
    },
    agents: { defaults: { heartbeat: { activeHours: { start: '08:00', end: '22:00', timezone: tz } } } },
  };
  expect(find(config).errors.map(line => line.split(':')[0])).toEqual([
    'timezone',
    'session.reset.tz',
    'session.resetByType.dm.tz',
    'session.resetByChannel.irc.tz',
    'agents.defaults.heartbeat.activeHours.timezone',
  ]);
});

test('mention patterns must be regular expressions', () => {
  const messages = { groupChat: { mentionPatterns: ['\\bclawd\\b', '(', '@bot'] } };
  expect(
    find({ messages, agents: { list: [{ id: 'a', groupChat: { mentionPatterns: ['['] } }] } }).errors,
  ).toEqual([
    expect.stringMatching(/^messages.groupChat.mentionPatterns\[1\]: Invalid regular expression/),
    expect.stringMatching(/^agents.list\[0\].groupChat.mentionPatterns\[0\]: Invalid regular expression/),
  ]);
});

test('openclaw#119945: a retention of nothing would delete everything, and is refused', () => {
  expect(
    find({
      retention: { messageIds: '0d', logs: '1d' },
      session: { retention: { archived: '0.1ms' } },
      cron: { retention: { maxAge: '0s' } },
    }).errors.map(line => line.split(':')[0]),
  ).toEqual(['retention.messageIds', 'session.retention.archived', 'cron.retention.maxAge']);
});

test('channels and accounts have names that keys can hold', () => {
  const accounts = { 'Work Team': {}, 'work-team': {}, dm: {}, '!!': {}, default: {} };
  expect(find({ channels: { telegram: { accounts }, cron: {}, 'a:b': {} } }).errors).toEqual([
    'channels.telegram.accounts.work-team: "work-team" and "Work Team" are the same account, "work-team"',
    'channels.telegram.accounts.dm: "dm" cannot be the id of an account',
    'channels.telegram.accounts["!!"]: "!!" cannot be the id of an account',
    'channels.cron: "cron" has a meaning of its own in session keys',
    'channels["a:b"]: "a:b" cannot be the name of a channel',
  ]);
});

test('a main key is a plain word', () => {
  expect(find({ session: { mainKey: 'Primary' } }).errors).toEqual([]);
  expect(find({ session: { mainKey: 'telegram:group:5' } }).errors).toEqual([
    'session.mainKey: "telegram:group:5" becomes part of session keys; write "telegram-group-5"',
  ]);
});

test('an id belongs to one person', () => {
  expect(
    find({ session: { identityLinks: { ann: ['telegram:1', 'sms:+1'], bob: ['telegram:1'] } } }).errors,
  ).toEqual([
    'session.identityLinks.bob: "telegram:1" stands in session.identityLinks.ann too; an id belongs to one person',
  ]);
  const ids = ['telegram:1', 'sms:+1'];
  expect(find({ session: { identityLinks: [{ ids }, { ids, sharedSession: false }] } }).errors).toEqual([]);
  expect(find({ session: { identityLinks: [{ ids }, { ids: ['sms:+1'] }] } }).errors).toHaveLength(1);
});

test('an older idleMinutes beside a reset block without a mode is doubtful', () => {
  const doubt = (session: ConfigInput['session']) => find({ session }).warnings.length;
  expect(doubt({ idleMinutes: 60, reset: { notifyUser: false } })).toBe(1);
  expect(doubt({ idleMinutes: 60, resetByType: {} })).toBe(1);
  expect(doubt({ idleMinutes: 60, reset: { mode: 'daily' } })).toBe(0);
  expect(doubt({ idleMinutes: 60 })).toBe(0);
});

test('an allowlist with nobody on it is said', () => {
  expect(find({ channels: { sms: { dmPolicy: 'allowlist' } } }).warnings).toEqual([
    'channels.sms.dmPolicy: allowlist without allowFrom: nobody can write in private',
  ]);
});

test('rules over keys that are broken already stay quiet', () => {
  const config: ConfigInput = { timezone: 'Mars/Olympus', bindings: [binding('nobody')] };
  expect(checkRules(config, new Set(['agents'])).errors.map(({ path }) => formatPath(path))).toEqual([
    'timezone',
  ]);
  expect(checkRules(config, new Set(['runners'])).errors).toHaveLength(2);
});

test('a command that is not there cannot be turned off, and the note says which was meant', () => {
  expect(find({ commands: { disabled: ['think', '/t', 'elevate'] } }).warnings).toEqual([
    'commands.disabled[2]: there is no command "elevate"; did you mean "elevated"?',
  ]);
});

describe('heartbeats', () => {
  const found = (heartbeat: object, more: ConfigInput = {}) =>
    find({ agents: { list: [{ id: 'a', heartbeat }] }, ...more }).errors;

  test('a target is last, none, or a channel; a typo must not tell whoever wrote last', () => {
    for (const target of ['last', 'none', 'telegram', 'WhatsApp']) expect(found({ target })).toEqual([]);
    expect(found({ target: 'pager' }, { channels: { pager: {} } })).toEqual([]);
    expect(found({ target: 'pagr' }, { channels: { pager: {} } })).toEqual([
      'agents.list[0].heartbeat.target: there is no channel "pagr"; did you mean "pager"?; expected last, none or a channel',
    ]);
    expect(find({ agents: { defaults: { heartbeat: { target: 'lst' } } } }).errors).toHaveLength(1);
  });

  test('equal hours could mean all day or never (openclaw#21410)', () => {
    const hours = (start: string, end: string) => found({ activeHours: { start, end } });
    expect(hours('08:00', '08:00')).toEqual([
      expect.stringMatching(/^agents\.list\[0\]\.heartbeat\.activeHours\.end: is also the start/),
    ]);
    expect(hours('00:00', '24:00')).toEqual([]);
    expect(hours('22:00', '00:00')).toEqual([]);
  });

  test('the session is one of its own agent', () => {
    expect(found({ session: 'agent:b:main' })).toHaveLength(1);
    expect(found({ session: 'agent:a:main' })).toEqual([]);
    expect(found({ session: 'telegram:group:-1' })).toEqual([]);
  });
});
