import fc from 'fast-check';
import JSON5 from 'json5';
import { describe, expect, test } from 'vitest';
import { locate } from '../../src/config/locate.ts';
import { nearest } from '../../src/config/nearest.ts';
import { formatProblems, validateConfig } from '../../src/config/validate.ts';

const report = (text: string) => formatProblems(validateConfig(text).problems).split('\n');

describe('problems', () => {
  test.each([
    ['{ sesion: {} }', 'line 1: sesion: unknown key; did you mean "session"?'],
    ['{ session: { dmscope: "main" } }', 'line 1: session.dmscope: unknown key; did you mean "dmScope"?'],
    [
      '{ idleMinutes: 5 }',
      /idleMinutes: unknown key here; it belongs to session.idleMinutes, session.reset.idleMinutes/,
    ],
    [
      '{ messages: { queue: { zzzzzz: 1 } } }',
      /zzzzzz: unknown key; known here: mode, debounceMs, cap, drop/,
    ],
    [
      '{ session: { reset: { mode: "dialy" } } }',
      'line 1: session.reset.mode: expected one of "daily"|"idle"|"off", got "dialy"; did you mean "daily"?',
    ],
    ['{ session: { reset: { atHour: 24 } } }', /session.reset.atHour: expected number to be <=23/],
    ['{ session: { reset: { at: "4:00" } } }', /session.reset.at: expected a local time such as "04:00"/],
    ['{ agents: { list: [{}] } }', 'line 1: agents.list[0].id: is missing: expected string'],
    [
      '{ channels: { sms: { send: { args: [] } } } }',
      'line 1: channels.sms.send.command: is missing: expected string',
    ],
    [
      '{ channels: { sms: { send: "nowhere" } } }',
      /channels.sms.send: .*expected "none", or expected object/,
    ],
    ['{ channels: { "a.b": { send: 5 } } }', /channels\["a.b"\].send/],
    ['{ session: { identityLinks: [{ id: ["x"] }] } }', /session.identityLinks\[0\].ids: is missing/],
    ['{ session: { identityLinks: { ann: "telegram:1" } } }', /session.identityLinks.ann: expected array/],
    ['{ session: { resetTriggers: [" "] } }', /session.resetTriggers\[0\]: expected some text/],
    ['{ retention: { messageIds: "90" } }', /retention.messageIds: expected a number with a unit/],
    ['[]', 'the top level: expected object, received array'],
    ['null', 'the top level: expected object, received null'],
    ['{ "__proto__": { "polluted": true } }', /__proto__/],
    [
      '{ session: { resetByChannel: { "__proto__": { mode: "off" } } } }',
      /this name cannot be used as a key/,
    ],
    ['{ session: { mode: constructor } }', "line 1: invalid character 'c' at column 20"],
  ])('%s', (text, message) => {
    const lines = report(text);
    if (typeof message === 'string') expect(lines).toContain(message);
    else expect(lines.join('\n')).toMatch(message);
  });

  test('all of them in one report, those of the schema and those across keys, in the order of the text', () => {
    const text = [
      '{',
      '  timezone: "Mars/Olympus",',
      '  session: { reset: { atHour: "four" } },',
      '  /* agents */ agents: { defaults: { runner: "claud" } },',
      '  runners: { claude: { command: "claude" } },',
      '}',
    ].join('\n');
    expect(report(text)).toEqual([
      expect.stringMatching(/^line 2: timezone: "Mars\/Olympus" is no IANA time zone/),
      'line 3: session.reset.atHour: expected number, received string',
      expect.stringMatching(
        /^line 4: agents.defaults.runner: there is no runner "claud"; did you mean "claude"\?; known: recall, claude;/,
      ),
    ]);
  });

  test('an unknown key hides no other mistake in its block, nor one elsewhere', () => {
    expect(
      report(
        '{ session: { rest: 1,\n retention: { torn: "0d" },\n reset: { tz: "Mars/X" } },\n timezone: "x" }',
      ).map(line => line.split(': ').slice(0, 2).join(' ')),
    ).toEqual([
      'line 1 session.rest',
      'line 2 session.retention.torn',
      'line 3 session.reset.tz',
      'line 4 timezone',
    ]);
  });

  test.each([
    [
      '{ channels: { sms: { send: { command: "x", argz: [] } } } }',
      'line 1: channels.sms.send.argz: unknown key; did you mean "args"?',
    ],
    [
      '{ session: { identityLinks: [{ ids: ["x"], nme: 1 }] } }',
      'line 1: session.identityLinks[0].nme: unknown key; known here: ids, sharedSession',
    ],
    [
      '{ session: { identityLinks: 5 } }',
      'line 1: session.identityLinks: expected object, received number, or expected array, received number',
    ],
    [
      '{ session: { sendPolicy: { rules: [{ action: "deny" }],\n blocked: ["group",\n 5] } } }',
      'line 3: session.sendPolicy.blocked[1]: expected string, received number',
    ],
    [
      '{ agents: { list: [{ id: "a", defaults: 5 }] } }',
      'line 1: agents.list[0].defaults: unknown key; did you mean "default"?',
    ],
    [
      '{ agent: {\n heartbeat: { every: "1h",\n activeHours: { start: "08:00" } } } }',
      'line 3: agent.heartbeat.activeHours.end: is missing: expected string',
    ],
    [
      '{ agents: { list: [{ id: "a", defaults: {\n model: { primary: 5 } } }] } }',
      'line 2: agents.list[0].defaults.model.primary: expected string, received number',
    ],
    [
      '{ session: { agentToAgent: { allow: ["wrk"] } }, agents: { list: [{ id: "work" }] } }',
      'line 1: session.agentToAgent.allow[0]: the agent "wrk" is not configured in agents.list; did you mean "work"?',
    ],
    [
      '{ channels: { sms: { pairing: { expires: "0m" } } } }',
      'line 1: channels.sms.pairing.expires: expected a time above 0',
    ],
  ])('inside lists, maps, unions and older keys: %s', (text, problem) => {
    expect(report(text)).toEqual([problem]);
  });

  test('a mistake is not followed by what it causes elsewhere', () => {
    expect(
      report('{ agents: { list: [{ id: 5 }] }, bindings: [{ agentId: "a", match: { channel: "x" } }] }'),
    ).toEqual(['line 1: agents.list[0].id: expected string, received number']);
  });

  test('limits of 0 or less are refused', () => {
    for (const limit of ['maxMessages', 'maxTokens', 'idleMinutes']) {
      expect(report(`{ session: { ${limit}: 0 } }`).join()).toMatch(
        new RegExp(`session.${limit}: expected number to be >0`),
      );
    }
  });

  test('problems of an older key are told at the key that was written', () => {
    const text =
      '{\n session: {\n  resetTime: "4 am",\n  idleTimeout: "1h",\n  reset: {\n   resetByType: {\n dm: "dayly" } } } }';
    expect(report(text)).toEqual([
      'line 3: session.resetTime: expected a local time such as "04:00"',
      'line 4: session.idleTimeout: expected number, received string',
      'line 7: session.reset.resetByType.dm: expected one of "daily"|"idle"|"off", got "dayly"; did you mean "daily"?',
    ]);
  });

  test('secrets in the environment of a runner are not repeated in messages', () => {
    expect(report('{ runners: { a: { command: "a", env: { KEY: 12345678 } } } }').join()).not.toContain(
      '12345678',
    );
  });
});

const keys = fc.constantFrom(
  ...[
    'inbound',
    'reply',
    'session',
    'agent',
    'agents',
    'defaults',
    'list',
    'model',
    'primary',
    'fallbacks',
    'models',
  ],
  ...[
    'reset',
    'resetTime',
    'resetByType',
    'resetByChannel',
    'dm',
    'direct',
    'dailyWindow',
    'start',
    'end',
    'mode',
  ],
  ...[
    'idleTimeout',
    'idleHours',
    'bindings',
    'channels',
    'Telegram',
    'telegram',
    'sendPolicy',
    'blocked',
    'rules',
  ],
  ...[
    'compaction',
    'enabled',
    'messages',
    'queue',
    'queueMode',
    'identityLinks',
    'dmScope',
    'store',
    'id',
    '__proto__',
  ],
);
const scalars = fc.oneof(fc.constantFrom('daily', 'concurrent', '04:00', '', null, true, 0, 5), fc.string());

test('whatever the shape, the outcome is a configuration or a list of problems, and loads the same when written out', () => {
  fc.assert(
    fc.property(fc.object({ key: keys, values: [scalars], maxDepth: 5, maxKeys: 6 }), value => {
      const { config, problems } = validateConfig(JSON.stringify(value));
      expect(config === null).toBe(problems.length > 0);
      if (config !== null) expect(validateConfig(JSON.stringify(config)).config).toEqual(config);
    }),
    { numRuns: 1000 },
  );
});

describe('notes', () => {
  test('a key written twice is said, the last one counts', () => {
    const { config, notes } = validateConfig('{\n session: { mainKey: "a" },\n session: { mainKey: "b" } }');
    expect(config).toEqual({ session: { mainKey: 'b' } });
    expect(notes).toEqual(['session is there twice (lines 2 and 3); the last one counts']);
  });

  test('keys that do nothing yet are said one by one, so that nobody relies on them', () => {
    const { notes } = validateConfig(`{
      agents: { defaults: { heartbeat: { every: '30m' } }, list: [{ id: 'a', compaction: { mode: 'manual' }, modelFallbacks: ['m'] }] },
      store: '~/.clawdis/sessions/sessions.json',
      channels: { telegram: { heartbeat: { showOk: true } } },
      session: { sendPolicy: { default: 'deny' }, mainKey: 'main' },
      messages: { queue: { mode: 'interrupt', debounceMs: 100 } },
      cron: { enabled: true },
    }`);
    expect(notes).toEqual(['store is read but not acted on by this version']);
    expect(validateConfig('{ messages: { queue: { mode: "followup" } } }').notes).toEqual([]);
  });
});

describe('line numbers', () => {
  test('through comments, quotes, escapes and every kind of line end', () => {
    const text = [
      '// { not: this',
      '{ /* nor',
      ' this: */ "a": 1,',
      " 'b\\'c': 'x // y', ",
      '  d: [ 1, { e: "}" },',
      '   [2], ],',
      '  $f_1 : +Infinity, \\u0067: .5,',
      '}',
    ].join('\r\n');
    const { lineOf, repeated } = locate(text);
    expect(lineOf(['a'])).toBe(3);
    expect(lineOf(["b'c"])).toBe(4);
    expect(lineOf(['d', 1, 'e'])).toBe(5);
    expect(lineOf(['d', 2, 0])).toBe(6);
    expect(lineOf(['$f_1'])).toBe(7);
    expect(lineOf(['g'])).toBe(7);
    expect(lineOf(['d', 1, 'absent', 3])).toBe(5);
    expect(lineOf([])).toBeNull();
    expect(repeated).toEqual([]);
  });

  test('of every key and item of any object', () => {
    fc.assert(
      fc.property(fc.object({ key: fc.string(), maxDepth: 4 }), value => {
        const { lineOf } = locate(JSON5.stringify(value, null, 1));
        const lines = JSON5.stringify(value, null, 1).split('\n');
        const visit = (below: unknown, path: (string | number)[]): void => {
          if (path.length > 0) {
            const key = path.at(-1);
            const line = lines[(lineOf(path) ?? 0) - 1] ?? '';
            if (typeof key === 'string')
              expect(line.trim()).toContain(JSON5.stringify({ [key]: 0 }).slice(1, -2));
          }
          if (typeof below !== 'object' || below === null) return;
          for (const [key, item] of Object.entries(below)) {
            visit(item, [...path, Array.isArray(below) ? Number(key) : key]);
          }
        };
        visit(JSON5.parse(JSON5.stringify(value, null, 1)), []);
      }),
    );
  });

  test('odd text ends the scan, not the process', () => {
    for (const text of ['', '{', '{a', '{a:', '[[[', '{"', '}', '/*', '{a:1 b:2}'])
      expect(locate(text).repeated).toEqual([]);
  });
});

describe('nearest names', () => {
  test.each([
    ['sesion', 'session'],
    ['idleMintues', 'idleMinutes'],
    ['RUNNERS', 'runners'],
    ['xyz', undefined],
  ])('%s → %s', (word, expected) => {
    expect(nearest(word, ['session', 'idleMinutes', 'runners', 'store'])).toBe(expected);
  });
});
