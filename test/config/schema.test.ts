import fs from 'node:fs';
import JSON5 from 'json5';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { formatPath, isRecord } from '../../src/config/config-path.ts';
import { DEFAULTS } from '../../src/config/defaults.ts';
import { type ConfigInput, configSchema, jsonSchema, runnerSchema } from '../../src/config/schema.ts';

const SAMPLE: ConfigInput = {
  timezone: 'Europe/Stockholm',
  agents: {
    defaults: { runner: 'claude', model: 'opus', thinkingLevel: 'medium', env: { LOG: '1' } },
    list: [
      { id: 'home', default: true },
      { id: 'work', workspace: '~/work', contextTokens: 100_000 },
    ],
  },
  bindings: [
    { agentId: 'work', match: { channel: 'slack', accountId: '*', peer: { kind: 'channel', id: 'C1' } } },
  ],
  owners: ['telegram:1'],
  models: { opus: 'anthropic/claude-opus-4-5' },
  session: {
    dmScope: 'per-channel-peer',
    identityLinks: { ann: ['telegram:1', 'sms:+1'] },
    reset: { mode: 'daily', at: '04:30', notifyUser: true },
    resetByType: { thread: { mode: 'off' } },
    resetByChannel: { sms: { idleMinutes: 90.5 } },
  },
  channels: {
    telegram: {
      dmPolicy: 'pairing',
      groups: { '*': { activation: 'always' } },
      send: { command: 'tg-send' },
    },
    cli: { send: 'none' },
  },
  messages: { queue: { mode: 'followup' }, groupChat: { mentionPatterns: ['\\bclawd\\b'] } },
  runners: { claude: { command: 'claude', args: ['-p'], output: 'json', pick: { text: 'result' } } },
  retention: { messageIds: '90d' },
};

test('the JSON Schema accepts what the schema accepts, and refuses what it refuses', () => {
  const read = z.fromJSONSchema(jsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  expect(configSchema.parse(SAMPLE)).toEqual(SAMPLE);
  expect(read.safeParse(SAMPLE).error).toBeUndefined();
  for (const broken of [
    { sesion: {} },
    { session: { reset: { atHour: 24 } } },
    { session: { reset: { at: '4:30' } } },
    { agents: { list: [{}] } },
    { channels: { sms: { send: 'somewhere' } } },
    { retention: { messageIds: 90 } },
  ]) {
    expect(configSchema.safeParse(broken).success, JSON.stringify(broken)).toBe(false);
    expect(read.safeParse(broken).success, JSON.stringify(broken)).toBe(false);
  }
});

test('it is draft 2020-12, closes every object with named keys, and takes the $schema key of an editor', () => {
  const schema = jsonSchema();
  expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
  const open: string[] = [];
  const visit = (node: unknown, path: string[]): void => {
    if (Array.isArray(node))
      for (const [index, item] of node.entries()) visit(item, [...path, String(index)]);
    if (!isRecord(node)) return;
    if (isRecord(node.properties) && path.at(-1) !== 'properties' && node.additionalProperties !== false)
      open.push(path.join('/'));
    for (const [key, below] of Object.entries(node)) visit(below, [...path, key]);
  };
  visit(schema, []);
  expect(open).toEqual([]);
  // Nothing that an editor would have to fetch or guess.
  expect(JSON.stringify(schema)).not.toMatch(/"(\$ref|\$dynamicRef|definitions)"/);
  expect(configSchema.safeParse({ $schema: './claw.schema.json' }).success).toBe(true);
});

test('the JSON Schema accepts the configurations of the README', () => {
  const read = z.fromJSONSchema(jsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const readme = fs.readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const examples = [...readme.matchAll(/^```json5\n([\s\S]*?)^```/gm)].map(([, text = '']) => text);
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples) {
    expect(read.safeParse(JSON5.parse(example)).error).toBeUndefined();
    expect(read.safeParse({ ...JSON5.parse<object>(example), sesion: {} }).success).toBe(false);
  }
});

test('every key is described', () => {
  const nameless: string[] = [];
  const visit = (node: unknown, path: string[]): void => {
    if (!isRecord(node)) return;
    for (const branch of Array.isArray(node.anyOf) ? node.anyOf : []) visit(branch, path);
    for (const [key, below] of Object.entries(isRecord(node.properties) ? node.properties : {})) {
      if (!isRecord(below) || typeof below.description !== 'string')
        nameless.push(formatPath([...path, key]));
      visit(below, [...path, key]);
    }
    visit(node.additionalProperties, [...path, '*']);
    visit(node.items, [...path, '*']);
  };
  visit(jsonSchema(), []);
  expect(nameless).toEqual([]);
});

test('the defaults are a configuration the schema accepts unchanged', () => {
  expect(configSchema.parse(DEFAULTS.config)).toEqual(DEFAULTS.config);
  expect(runnerSchema.partial().parse(DEFAULTS.runner)).toEqual(DEFAULTS.runner);
  const channels = { sms: { ...DEFAULTS.channel, send: { command: 'x', ...DEFAULTS.sender } } };
  expect(configSchema.parse({ channels })).toEqual({ channels });
});

test('a number that a description calls the default is the default', () => {
  const described: [string, unknown, unknown][] = [];
  const visit = (node: unknown, value: unknown, path: string): void => {
    if (!isRecord(node) || value === undefined) return;
    for (const [key, below] of Object.entries(isRecord(node.properties) ? node.properties : {})) {
      const here = isRecord(value) ? value[key] : undefined;
      const said = isRecord(below)
        ? /; default (\d+)(?: (MiB))?$/.exec(String(below.description ?? ''))
        : null;
      if (said !== null && here !== undefined) {
        described.push([`${path}.${key}`, Number(said[1]) * (said[2] === undefined ? 1 : 1024 * 1024), here]);
      }
      visit(below, here, `${path}.${key}`);
    }
  };
  visit(jsonSchema(), DEFAULTS.config, 'config');
  visit(z.toJSONSchema(runnerSchema), DEFAULTS.runner, 'runner');
  expect(described.length).toBeGreaterThan(8);
  for (const [path, said, held] of described) expect(held, path).toBe(said);
});

test('the numbers of the contract', () => {
  expect(DEFAULTS).toMatchObject({
    config: {
      agents: { defaults: { runner: 'recall', contextTokens: 200_000 } },
      session: { dmScope: 'main', mainKey: 'main', reset: { mode: 'daily', atHour: 4 }, dmHistoryLimit: 50 },
      messages: { queue: { mode: 'collect', debounceMs: 0, cap: 20 }, groupChat: { activation: 'mention' } },
      cron: { maxConcurrentRuns: 4 },
      retention: { messageIds: '90d' },
    },
    runner: { timeoutSeconds: 600, idleTimeoutSeconds: 120 },
    channel: { groupPolicy: 'open' },
    idleMinutes: 60,
  });
});
