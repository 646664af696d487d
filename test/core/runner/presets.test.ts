import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { runnerSchema } from '../../../src/config/schema.ts';
import { PRESETS } from '../../../src/core/runner/preset/table.ts';
import { PRESET_NAMES, type PresetName, presetOf, withPreset } from '../../../src/core/runner/preset.ts';
import { fillArguments, templateValues } from '../../../src/core/runner/template.ts';
import { type ExecOutcome, judge } from '../../../src/core/runner/verdict.ts';
import { turnRequest } from './turn-request.ts';

const FIXTURES = path.resolve(import.meta.dirname, '../../fixtures/agents-output');

/** How claw judges what a program printed once. */
function verdictOn(name: PresetName, what: string) {
  const file = path.join(FIXTURES, name, `${what}.json`);
  const { exitCode, stdout, stderr, usageDocument } = JSON.parse(fs.readFileSync(file, 'utf8'));
  const run: ExecOutcome = {
    exitCode,
    signal: null,
    timedOut: false,
    idleTimedOut: false,
    aborted: false,
    tooMuchOutput: false,
    leaseLost: false,
    outputHeldOpen: false,
    spawnError: null,
    stdout: stdout.join('\n'),
    stderr: stderr.join('\n'),
    durationMs: 1,
    invalidUtf8: false,
  };
  const runner = withPreset(PRESETS[name]);
  return judge(run, { runnerName: name, runner, prompt: 'hello', secrets: [], usageDocument });
}

const has = (name: PresetName, what: string) => fs.existsSync(path.join(FIXTURES, name, `${what}.json`));
const withCase = (what: string) => PRESET_NAMES.filter(name => has(name, what));

describe('what a program printed', () => {
  test.each(PRESET_NAMES)('%s: the reply of a first turn', name => {
    expect(verdictOn(name, 'first')).toMatchObject({ status: 'replied', text: 'pong' });
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

  test.each(withCase('unauthorized'))('%s: not logged in, and how to', name => {
    const verdict = verdictOn(name, 'unauthorized');
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

describe('every preset', () => {
  test.each(PRESET_NAMES)('%s is a runner that a config could have', name => {
    expect(runnerSchema.safeParse(PRESETS[name].runner)).toMatchObject({ success: true });
  });

  test.each(PRESET_NAMES)('%s gives its prompt by stdin, or says where else it goes', name => {
    const { args = [], resumeArgs = args } = PRESETS[name].runner;
    const inArguments = (list: typeof args) => list.flat().some(arg => /\{\{(Body|PromptFile)\}\}/.test(arg));
    expect(inArguments(args)).toBe(inArguments(resumeArgs));
    // An argument can be read by every user of the machine: only for programs that take it no other way.
    expect(args.flat().includes('{{Body}}')).toBe(name === 'cursor-agent');
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
