import fc from 'fast-check';
import JSON5 from 'json5';
import { expect, test } from 'vitest';
import { migrateConfig } from '../../src/config/migrate.ts';
import { formatProblems, validateConfig } from '../../src/config/validate.ts';

test('values and comments move with their keys, and what has no place becomes a comment with the reason', () => {
  const text = `// my clawdis
{
  // how it was
  inbound: { reply: {
    session: {
      idleMinutes: 120, // two hours
      /* words */ resetTriggers: ["/new", "/fresh"],
    },
    mode: "command", // as ever
  } },
  runners: { claude: { command: "claude", env: { KEY: "k" } } }, // mine
  tolls: { deny: ["*"] },
}
// the end
`;
  const { text: migrated, dropped, changed, problems } = migrateConfig(text);
  expect(problems).toEqual([]);
  expect(changed).toBe(true);
  expect(migrated).toBe(`// my clawdis
// how it was
{
  runners: { claude: { command: "claude", env: { KEY: "k" } } }, // mine
  session: {
    idleMinutes: 120, // two hours
    /* words */
    resetTriggers: ["/new", "/fresh"],
  },
  messages: { inlineDirectives: "sticky" },
  // inbound.reply.mode: "command" // as ever
  //   left out: this key of an older system has no counterpart here; remove it
  // tolls: { deny: ["*"] }
  //   left out: ${dropped[1]?.reason}
}
// the end
`);
  expect(dropped).toEqual([
    {
      path: 'inbound.reply.mode',
      value: 'command',
      reason: expect.any(String),
      unknown: false,
      restricts: false,
    },
    {
      path: 'tolls',
      value: { deny: ['*'] },
      reason: expect.stringContaining('unknown key'),
      unknown: true,
      restricts: true,
    },
  ]);
  expect(migrateConfig(migrated)).toMatchObject({ text: migrated, changed: false });
});

test('a canonical file comes back byte for byte', () => {
  const text = "\uFEFF// mine\r\n{ 'session': {mainKey : 'a',}, /* b */ }";
  expect(migrateConfig(text)).toMatchObject({ text, changed: false, notes: [], dropped: [] });
});

test('of two that say the same the canonical one stays, and the other is kept as a comment', () => {
  const { text, notes } = migrateConfig(
    '{ session: { dmScope: "per-peer" }, dmScope: "main", channels: { Telegram: {} } }',
  );
  expect(text).toContain('// dmScope: "main"\n  //   left out: session.dmScope is set too\n');
  expect(notes).toEqual(['dmScope is left out: session.dmScope is set too']);
  expect(validateConfig(text).config).toEqual({
    session: { dmScope: 'per-peer' },
    channels: { telegram: {} },
  });
});

test('a text that ends a line for JSON5 alone does not leave its comment', () => {
  const odd = 'a\u2028timezone: "UTC"\n// b';
  const { text } = migrateConfig(JSON5.stringify({ [odd]: odd, gateway: odd }));
  expect(validateConfig(text).config).toEqual({});
});

test('what cannot be right in any form is reported in the places of the old text, and nothing is made of it', () => {
  const { config, problems } = migrateConfig(
    '{\n session: {\n resetTime: "4 am" },\n bindings: [{\n agentId: "x", match: { channel: "a" } }],\n foo: 1 }',
  );
  expect(config).toBeNull();
  expect(formatProblems(problems).split('\n')).toEqual([
    'line 3: session.resetTime: expected a local time such as "04:00"',
    'line 5: bindings[0].agentId: the agent "x" is not configured in agents.list',
  ]);
  expect(migrateConfig('{ a: ').problems).toHaveLength(1);
});

test('whatever loads is migrated to what loads the same, once', () => {
  const keys = fc.constantFrom(
    ...[
      'inbound',
      'reply',
      'session',
      'agent',
      'agents',
      'defaults',
      'model',
      'primary',
      'fallbacks',
      'reset',
    ],
    ...[
      'resetTime',
      'resetByType',
      'dm',
      'dailyWindow',
      'start',
      'end',
      'idleTimeout',
      'idleHours',
      'bindings',
    ],
    ...[
      'channels',
      'Telegram',
      'sendPolicy',
      'blocked',
      'compaction',
      'enabled',
      'queueMode',
      'gateway',
      'zzz',
    ],
  );
  const scalars = fc.constantFrom(
    'daily',
    'concurrent',
    '04:00',
    'announce',
    true,
    false,
    5,
    'a\u2028b',
    '*/ //',
  );
  let migrated = 0;
  fc.assert(
    fc.property(fc.object({ key: keys, values: [scalars], maxDepth: 4, maxKeys: 5 }), value => {
      const text = JSON5.stringify(value, null, 2);
      const result = migrateConfig(text);
      if (result.config === null) return;
      migrated++;
      const loaded = validateConfig(text);
      if (loaded.config !== null) expect(result.config).toEqual(loaded.config);
      expect(validateConfig(result.text).config).toEqual(result.config);
      expect(migrateConfig(result.text)).toMatchObject({ text: result.text, changed: false });
    }),
    { numRuns: 1500 },
  );
  expect(migrated).toBeGreaterThan(50);
});
