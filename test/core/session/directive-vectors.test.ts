/** The conformance vectors for directives. */
import { expect, test } from 'vitest';
import { answerTo } from '../../../src/core/session/command.ts';
import { DIRECTIVES, type ParsedText, parseDirectives } from '../../../src/core/session/directive.ts';
import {
  applyChange,
  resolveSettings,
  type SettingValues,
  settingsInForce,
} from '../../../src/core/session/settings.ts';
import vectors from '../../fixtures/vectors/directives.json' with { type: 'json' };
import { situation } from './situation.ts';

/** Vectors that do not apply, each with its reason. */
const LEFT_OUT: Record<string, string> = {};

/** Single facts of a vector that do not apply. */
const FACTS_LEFT_OUT: Record<string, string> = {
  eventCount: 'a change of model is acknowledged, not queued as a system event',
};

/** The reference takes any word for a model inside a text, here it must be known. */
const KNOWN_MODELS = ['haiku'];

interface Given {
  op: string;
  message: string | { Body: string; ChatType?: string };
  input?: { modelAliases?: string[] };
  store?: Record<string, { sessionId: string } & SettingValues>;
}

function parse(message: string, modelAliases: readonly string[] = [], chatType: 'dm' | 'group' = 'dm') {
  const aliases = Object.fromEntries(modelAliases.map(alias => [alias, alias]));
  return parseDirectives(message, { chatType, models: { aliases, models: KNOWN_MODELS }, owner: true });
}

const isAsked = ({ asked }: ParsedText, name: string) => asked.some(each => each.name === name);

function facts(parsed: ParsedText) {
  const { settings, body, command } = parsed;
  return {
    cleaned: body,
    hasThink: settings.thinkingLevel !== undefined || isAsked(parsed, 'think'),
    thinkLevel: settings.thinkingLevel ?? null,
    hasVerbose: settings.verboseLevel !== undefined || isAsked(parsed, 'verbose'),
    verboseLevel: settings.verboseLevel ?? null,
    reasoningLevel: settings.reasoningLevel ?? null,
    elevatedLevel: settings.elevated ?? null,
    hasModel: settings.model !== undefined || isAsked(parsed, 'model'),
    model: settings.model ?? null,
    hasStatus: command?.name === 'status',
    queueMode: settings.queueMode ?? null,
    queueReset: settings.queueMode === null,
    debounceMs: settings.queueDebounceMs ?? null,
    cap: settings.queueCap ?? null,
  };
}

function command(message: string, name: 'send' | 'activation') {
  const parsed = parse(message, [], 'group');
  const setting = name === 'send' ? 'sendPolicy' : 'groupActivation';
  const value = parsed.settings[setting];
  return {
    hasCommand: value !== undefined || isAsked(parsed, name),
    mode: value === null ? 'inherit' : (value ?? null),
  };
}

/** The command in its plain spelling. */
function normalised({ settings, command }: ParsedText): string {
  if (command) return `/${command.name}`;
  const row = DIRECTIVES.find(each => 'sets' in each && settings[each.sets] !== undefined);
  return row && 'sets' in row ? `/${row.name} ${settings[row.sets]}` : '';
}

/** A whole message, as far as nothing has to be started: what is answered, and what the session holds afterwards. */
function apply({ message, store }: Given) {
  const { Body, ChatType } = message as { Body: string; ChatType?: string };
  const chatType = ChatType === 'group' ? 'group' : 'dm';
  const key = 'agent:main:main';
  const holder = { createdAt: 0, sessionId: 's' };
  const {
    sessionId: _,
    updatedAt: __,
    ...before
  } = { updatedAt: 0, ...(store?.[key] ?? { sessionId: 's' }) };
  const stored = applyChange(null, key, holder, before, 1);
  const parsed = parse(Body, [], chatType);
  const answer = parsed.alone
    ? answerTo(parsed, situation({ chatType, settings: resolveSettings({}, 'main', before) }))
    : null;
  const after = settingsInForce(applyChange(stored, key, holder, answer?.change ?? {}, 2), holder, true);
  const [providerOverride, modelOverride] = after.model?.split('/') ?? [];
  const inline = resolveSettings({}, 'main', after, parsed.settings as SettingValues);
  return {
    agentRun: !parsed.alone,
    reply: answer?.reply ?? '',
    entry: {
      queueMode: null,
      queueCap: null,
      groupActivation: null,
      providerOverride,
      modelOverride,
      ...after,
    },
    run: { prompt: parsed.body, thinkLevel: inline.thinkingLevel.value ?? 'off' },
  };
}

function outcome(given: Given): object {
  const text = given.message as string;
  switch (given.op) {
    case 'parse':
      return facts(parse(text, given.input?.modelAliases));
    case 'parseSend':
      return command(text, 'send');
    case 'parseActivation':
      return command(text, 'activation');
    case 'normalizeCommand':
      return { command: normalised(parse(text)) };
    case 'abortTrigger':
      return { value: parse(text).command?.name === 'stop' };
    case 'apply':
      return apply(given);
    default:
      throw new Error(`no such operation: ${given.op}`);
  }
}

const applicable = vectors.filter(({ id }) => LEFT_OUT[id] === undefined);

test.each(applicable.map(vector => [vector.id, vector.note, vector] as const))(
  '%s %s',
  (_id, _note, { given, expect: expected }) => {
    const actual = outcome(given as unknown as Given);
    const { replyContains = [], ...plain } = expected as { replyContains?: string[] };
    const wanted = Object.entries(plain).filter(([name]) => FACTS_LEFT_OUT[name] === undefined);
    expect(wanted.length + replyContains.length).toBeGreaterThan(0);
    expect(actual).toMatchObject(Object.fromEntries(wanted));
    for (const words of replyContains) expect(actual).toHaveProperty('reply', expect.stringContaining(words));
  },
);

test('every vector is run or left out with a reason', () => {
  expect(applicable.length + Object.keys(LEFT_OUT).length).toBe(vectors.length);
});
