import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { runnerSchema } from '../../../src/config/schema.ts';
import { eventOf } from '../../../src/core/runner/output.ts';
import { overflowOf } from '../../../src/core/runner/overflow.ts';
import { PRESETS } from '../../../src/core/runner/preset/table.ts';
import { PRESET_NAMES, type PresetName, presetOf, withPreset } from '../../../src/core/runner/preset.ts';
import { fillArguments, templateValues } from '../../../src/core/runner/template.ts';
import { type ExecOutcome, judge, NOTHING_HAPPENED } from '../../../src/core/runner/verdict.ts';
import { turnRequest } from './turn-request.ts';

const FIXTURES = path.resolve(import.meta.dirname, '../../fixtures/agents-output');

interface Printed {
  exitCode: number;
  stdout: string[];
  stderr: string[];
  usageDocument?: string;
}

const printedBy = (name: PresetName, what: string): Printed =>
  JSON.parse(fs.readFileSync(path.join(FIXTURES, name, `${what}.json`), 'utf8'));

/** How claw judges what a program printed once. */
const verdictOn = (name: PresetName, what: string) => verdictOnPrinted(name, printedBy(name, what));

function verdictOnPrinted(name: PresetName, { exitCode, stdout, stderr, usageDocument }: Printed) {
  const run: ExecOutcome = {
    ...NOTHING_HAPPENED,
    exitCode,
    stdout: stdout.join('\n'),
    stderr: stderr.join('\n'),
    durationMs: 1,
  };
  const runner = withPreset(PRESETS[name]);
  return judge(run, { runnerName: name, runner, prompt: 'hello', secrets: [], usageDocument });
}

const has = (name: PresetName, what: string) => fs.existsSync(path.join(FIXTURES, name, `${what}.json`));
const withCase = (what: string) => PRESET_NAMES.filter(name => has(name, what));

describe('what a program printed', () => {
  test.each(PRESET_NAMES.filter(name => name !== 'aider'))('%s: the reply of a first turn', name => {
    expect(verdictOn(name, 'first')).toMatchObject({ status: 'replied', text: 'pong' });
  });

  // It has no flag against what it says of itself and of the tokens.
  test('aider: the reply of a first turn, among its own lines', () => {
    expect(verdictOn('aider', 'first')).toMatchObject({
      status: 'replied',
      text: expect.stringMatching(/^pong$/m),
    });
  });

  test.each(withCase('resumed'))('%s: the reply of a turn that went on', name => {
    expect(verdictOn(name, 'resumed')).toMatchObject({ status: 'replied', text: 'pong again' });
  });

  test.each(withCase('unknown-session'))('%s: a session it does not know', name => {
    expect(verdictOn(name, 'unknown-session')).toMatchObject({
      status: 'failed',
      error: { code: 'unknown-session' },
    });
  });

  test.each(withCase('failed'))(
    '%s: a model that fails is a failure with its words, and no other one',
    name => {
      expect(verdictOn(name, 'failed')).toMatchObject({
        status: 'failed',
        error: {
          code: expect.stringMatching(/^(exit|agent-error)$/),
          message: expect.stringMatching(/the model says no|high demand|could not connect/),
        },
      });
    },
  );

  // The limit is told where the service's own sentence comes through.
  test.each([
    ['claude', null],
    ['codex', null],
    ['gemini', 1_048_576],
    ['opencode', 128_000],
    ['copilot', 128_000],
    ['pi', 128_000],
  ] as const)('%s: a prompt that is too long for its model', (name, limit) => {
    const verdict = verdictOn(name, 'overflow');
    expect(verdict).toMatchObject({ status: 'failed', error: { code: 'context-overflow' } });
    expect(overflowOf(verdict)).toEqual({ limit });
  });

  test.each(withCase('overflow'))('%s: too long, and not some other failure', name => {
    expect(verdictOn(name, 'overflow')).toMatchObject({ error: { code: 'context-overflow' } });
    expect(verdictOn(name, 'failed')).not.toMatchObject({ error: { code: 'context-overflow' } });
  });

  test.each([
    ...withCase('unauthorized').map(name => [name, 'unauthorized'] as const),
    ...withCase('invalid-key').map(name => [name, 'invalid-key'] as const),
  ])('%s: not logged in (%s), and how to', (name, what) => {
    const verdict = verdictOn(name, what);
    expect(verdict).toMatchObject({ status: 'failed', error: { code: 'auth', hint: PRESETS[name].login } });
  });

  test.each(['claude', 'codex', 'gemini', 'opencode', 'copilot', 'pi', 'cursor-agent', 'amp'] as const)(
    '%s: its own session id, the same when it goes on',
    name => {
      const { nativeId } = verdictOn(name, 'first');
      expect(nativeId).toMatch(/^\S{10,}$/);
      if (has(name, 'resumed')) expect(verdictOn(name, 'resumed').nativeId).toBe(nativeId);
    },
  );

  // The model counts 20 in and 6 out for each run; that of claude 12 + 4 + 3 and 5.
  test.each([
    ['claude', [19, 5], [19, 5]],
    ['codex', [20, 6], [40, 12]],
    ['gemini', [20, 6], [20, 6]],
    ['opencode', [20, 6], [20, 6]],
    ['copilot', [20, 6], [40, 12]],
    ['pi', [20, 6], [20, 6]],
    ['goose', [20, 6], [40, 12]],
  ] as const)('%s: its tokens, as it counts them', (name, first, resumed) => {
    const tokens = (what: string) => {
      const { usage } = verdictOn(name, what);
      return [usage?.inputTokens, usage?.outputTokens];
    };
    expect([tokens('first'), tokens('resumed')]).toEqual([first, resumed]);
    const counts = tokens('resumed')[0] === 2 * tokens('first')[0]!;
    expect(PRESETS[name].runner.usage === 'cumulative').toBe(counts);
  });

  test('claude: the cost is that of the whole session', () => {
    const cost = (what: string) => verdictOn('claude', what).usage!.costUsd!;
    expect(cost('resumed')).toBeCloseTo(2 * cost('first'), 9);
    expect(PRESETS.claude.runner.costs).toBe('cumulative');
  });

  test('no fixture holds a path of a machine or a key', () => {
    for (const name of fs.readdirSync(FIXTURES, { recursive: true }) as string[]) {
      const file = path.join(FIXTURES, name);
      if (!fs.statSync(file).isFile()) continue;
      expect(fs.readFileSync(file, 'utf8'), name).not.toMatch(/\/root\/|\/work\/|\/tmp\/(?!x)|for-tests/);
    }
  });
});

/** What a follower of the run is shown: the steps, and the text after the last tool call. */
function watched(name: PresetName, { stdout }: Printed) {
  const { pick = {} } = withPreset(PRESETS[name]);
  const seen = { tools: [] as string[], thoughts: [] as string[], before: '', text: '' };
  for (const line of stdout) {
    const { delta, toolCall, thinking } = eventOf(line, pick);
    if (thinking) seen.thoughts.push(thinking);
    seen.text += delta ?? '';
    if (toolCall === null) continue;
    seen.tools.push(toolCall);
    seen.before += seen.text;
    seen.text = '';
  }
  return seen;
}

describe('a run in which a tool was called', () => {
  const thought = ['A note may tell.'];
  const CALLED = [
    ['claude', 'Read', thought, [38, 10]],
    // Its counters and those of copilot go on: two turns of one call each were before.
    ['codex', "/bin/bash -lc 'cat /home/someone/desk/note.txt'", thought, [80, 24]],
    ['gemini', 'read_file', [], [40, 12]],
    // It shows what the model thinks only with --thinking.
    ['opencode', 'read', [], [40, 12]],
    ['copilot', 'view', thought, [80, 24]],
    ['pi', 'read', thought, [40, 12]],
  ] as const;

  test.each(CALLED)(
    '%s: what was said before it is no part of the reply',
    (name, _tool, _thoughts, tokens) => {
      const verdict = verdictOn(name, 'tool');
      expect(verdict).toMatchObject({ status: 'replied', text: 'The note says pong.' });
      expect([verdict.usage?.inputTokens, verdict.usage?.outputTokens]).toEqual(tokens);
    },
  );

  test.each(CALLED)(
    '%s: the call and the thought are seen, and the reply as it comes',
    (name, tool, thoughts) => {
      expect(watched(name, printedBy(name, 'tool'))).toEqual({
        tools: [tool],
        thoughts,
        before: 'Let me look.',
        text: 'The note says pong.',
      });
    },
  );
});

describe('what newer versions may print', () => {
  const JSONL = PRESET_NAMES.filter(name => PRESETS[name].runner.output === 'jsonl');
  const cases = JSONL.flatMap(name =>
    ['first', 'tool'].filter(what => has(name, what)).map(what => [name, what] as const),
  );
  /** What claw keeps of a run. */
  const kept = (name: PresetName, printed: Printed) => {
    const { tools, thoughts } = watched(name, printed);
    const verdict = verdictOnPrinted(name, printed);
    const { status, usage, nativeId } = verdict;
    return {
      status,
      usage,
      nativeId,
      tools,
      thoughts,
      text: verdict.status === 'replied' ? verdict.text : null,
    };
  };
  const withLines = (printed: Printed, stdout: string[]): Printed => ({ ...printed, stdout });
  const eachObject = (printed: Printed, change: (value: unknown) => unknown): Printed => ({
    ...printed,
    stdout: printed.stdout.map(line => (line === '' ? line : JSON.stringify(change(JSON.parse(line))))),
    ...(printed.usageDocument
      ? { usageDocument: JSON.stringify(change(JSON.parse(printed.usageDocument))) }
      : {}),
  });

  const NEW_EVENTS = [
    { type: 'brand.new', result: 'not this', response: 'nor this', text: 'nor this', content: 'nor this' },
    {
      type: 'brand_new',
      data: { content: 'no', deltaContent: 'no', message: 'no' },
      part: { text: 'no', tool: 'no' },
    },
    {
      type: 'brand/new',
      message: { role: 'assistant', content: [{ type: 'text', text: 'no' }], usage: { input: 9 } },
    },
    {
      type: 'brand.new',
      item: { type: 'agent_message', text: 'no' },
      error: { message: 'no error' },
      is_error: true,
    },
    { type: 'brand.new', usage: { input_tokens: 999, output_tokens: 999 }, stats: { input_tokens: 999 } },
    { kind: 'without a type' },
    ['a list'],
    'a string',
    7,
    null,
  ].map(event => JSON.stringify(event));

  test.each(cases)('%s, %s: kinds of events that nobody knows', (name, what) => {
    const printed = printedBy(name, what);
    const lines = printed.stdout.flatMap((line, index) => [NEW_EVENTS[index % NEW_EVENTS.length]!, line]);
    expect(kept(name, withLines(printed, [...lines, ...NEW_EVENTS, 'a warning', '']))).toEqual(
      kept(name, printed),
    );
  });

  test.each(cases)('%s, %s: fields that nobody knows', (name, what) => {
    const printed = printedBy(name, what);
    const grown = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(grown);
      if (typeof value !== 'object' || value === null) return value;
      const fields = Object.entries(value).map(([key, inner]) => [key, grown(inner)]);
      const nested = {
        type: 'brand.new',
        text: 'not this',
        content: 'nor this',
        error: 'none',
        tokens: { input: 9 },
      };
      return { brandNew: 'x', ...Object.fromEntries(fields), brandNewObject: nested, brandNewList: [nested] };
    };
    expect(kept(name, eachObject(printed, grown))).toEqual(kept(name, printed));
  });

  test.each(cases)('%s, %s: fields in another order', (name, what) => {
    const printed = printedBy(name, what);
    const turned = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(turned);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .map(([key, inner]) => [key, turned(inner)])
          .reverse(),
      );
    };
    expect(kept(name, eachObject(printed, turned))).toEqual(kept(name, printed));
  });

  // With one text in the run, nothing is told by which event came first.
  test.each(JSONL)('%s: events in another order', name => {
    const printed = printedBy(name, 'first');
    const { thoughts: _thoughts, ...rest } = kept(name, printed);
    expect(kept(name, withLines(printed, printed.stdout.toReversed()))).toMatchObject(rest);
  });

  test.each(JSONL)('%s: U+2028 and U+2029 in a reply, written as they are', name => {
    const printed = printedBy(name, 'first');
    const lines = printed.stdout.map(line => line.replaceAll('pong', 'po\u2028n\u2029g'));
    expect(kept(name, withLines(printed, lines))).toEqual({
      ...kept(name, printed),
      text: 'po\u2028n\u2029g',
    });
  });

  test.each(JSONL)('%s: an output that broke off is no reply', name => {
    const printed = printedBy(name, 'first');
    // Whatever the exit status says; the last line that could hold a text is cut in its middle.
    const whole = printed.stdout.join('\n');
    const verdict = verdictOnPrinted(name, withLines(printed, [whole.slice(0, whole.indexOf('"pong') + 3)]));
    expect(verdict).toMatchObject({ status: 'failed' });
  });
});

describe('every preset', () => {
  test.each(PRESET_NAMES)('%s is a runner that a config could have', name => {
    expect(runnerSchema.safeParse(PRESETS[name].runner)).toMatchObject({ success: true });
  });

  test.each(PRESET_NAMES)('%s gives its prompt by stdin, or says where else it goes', name => {
    const { args = [], resumeArgs = args } = PRESETS[name].runner;
    const inArguments = (list: typeof args) => list.flat().some(arg => /\{\{(Body|PromptFile)\}\}/.test(arg));
    expect(inArguments(args)).toBe(inArguments(resumeArgs));
    // An argument can be read by every user of the machine.
    expect(args.flat()).not.toContain('{{Body}}');
  });

  test.each(PRESET_NAMES)(
    '%s with the native context can go on with a session and say when it is gone',
    name => {
      const { context, resumeArgs, signs, pick, args = [] } = PRESETS[name].runner;
      if (context !== 'native') return expect(resumeArgs).toBeUndefined();
      expect(resumeArgs!.flat().join(' ')).toContain('{{NativeSessionId}}');
      expect(signs?.unknownSession?.length).toBeGreaterThan(0);
      // Its id is told by the program, or chosen by claw.
      expect(pick?.sessionId !== undefined || args.flat().includes('{{NativeSessionId}}')).toBe(true);
    },
  );

  test.each(PRESET_NAMES)('%s is as free as it is told to be, and no more without a word', name => {
    const started = (permissions?: 'safe' | 'edit' | 'full') => {
      const { args, env } = withPreset(PRESETS[name], permissions ? { permissions } : {});
      return JSON.stringify({ args, env });
    };
    expect(started()).toBe(started('safe'));
    expect(started()).not.toContain('{{Permissions}}');
    for (const word of [
      'bypassPermissions',
      'danger-full-access',
      'yolo',
      '--auto"',
      '--allow-all',
      '--force',
    ])
      expect(started()).not.toContain(word);
  });
});

describe('nobody is there', () => {
  test('claude is given no tool that would outlive its run, however it is started and whatever it may do', () => {
    for (const permissions of ['safe', 'edit', 'full'] as const) {
      const { args, resumeArgs, asideArgs, env } = withPreset(PRESETS.claude, { permissions });
      for (const each of [args, resumeArgs, asideArgs]) {
        const flat = each!.flat();
        const off = flat[flat.indexOf('--disallowedTools') + 1]!.split(',');
        expect(off).toEqual(expect.arrayContaining(['ScheduleWakeup', 'CronCreate', 'Monitor']));
      }
      expect(env).toMatchObject({ CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1' });
    }
  });

  test('none waits for an answer that nobody gives', () => {
    const started = (name: PresetName) => withPreset(PRESETS[name]).args!.flat().join(' ');
    expect(started('copilot')).toContain('--no-ask-user');
    expect(started('claude')).toContain('--permission-mode dontAsk');
    expect(started('gemini')).toContain('--skip-trust');
    expect(started('aider')).toContain('--yes-always');
  });
});

describe('a runner made of a preset', () => {
  test('its name is enough, and a command of its own makes it something else', () => {
    expect(presetOf('claude', undefined)).toBe('claude');
    expect(presetOf('claude', { timeoutSeconds: 5 })).toBe('claude');
    expect(presetOf('claude', { command: '/my/claude' })).toBeUndefined();
    expect(presetOf('mine', { preset: 'pi', command: '/my/pi' })).toBe('pi');
    expect(presetOf('mine', undefined)).toBeUndefined();
  });

  test('any key of the config goes before the preset', () => {
    const runner = withPreset(PRESETS.codex, {
      command: '/opt/codex',
      moreArgs: ['--profile', 'chat'],
      permissions: 'edit',
      env: { A: 'b' },
      pick: { text: 'x' },
      signs: { auth: ['nope'] },
      idleTimeoutSeconds: 7,
    });
    expect(runner).toMatchObject({ command: '/opt/codex', idleTimeoutSeconds: 7, env: { A: 'b' } });
    expect(runner.args).toEqual(
      expect.arrayContaining(['--profile', 'chat', 'sandbox_mode="workspace-write"']),
    );
    expect(runner.args!.at(-1)).toBe('-');
    expect(runner.pick).toMatchObject({ text: 'x', sessionId: PRESETS.codex.runner.pick!.sessionId });
    expect(runner.signs).toMatchObject({ auth: ['nope'], unknownSession: ['no rollout found'] });
  });

  test('model and thinking are told in its own words, and left out where none is set', () => {
    const fill = (part: Parameters<typeof turnRequest>[0]) => {
      const runner = withPreset(PRESETS.claude);
      return fillArguments(runner.args!, templateValues(turnRequest({ runner, ...part }), 'x'));
    };
    expect(fill({ model: 'opus', thinkingLevel: 'off' }).join(' ')).toContain('--model opus --effort low');
    expect(fill({}).join(' ')).not.toMatch(/--model|--effort|--append-system/);
  });
});
