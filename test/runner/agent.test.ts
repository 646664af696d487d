import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RunnerConfig } from '../../src/config/schema.ts';
import type { TurnOutcome, TurnRequest } from '../../src/core/turn-request.ts';
import { type AgentOptions, runAgent } from '../../src/runner/agent.ts';
import { turnRequest } from '../core/runner/turn-request.ts';
import { agent, groupMembers, newSetting, type Setting } from './exec-setting.ts';

let setting: Setting;
beforeEach(() => {
  setting = newSetting();
});
afterEach(() => setting.remove());

function run(
  runner: RunnerConfig,
  request: Partial<TurnRequest> = {},
  options: Partial<AgentOptions> = {},
): Promise<TurnOutcome> {
  return runAgent(
    turnRequest({
      runId: randomUUID(),
      workspace: setting.workspace,
      leaseFolder: setting.lease,
      runner,
      ...request,
    }),
    {
      baseEnv: { PATH: process.env.PATH, HOME: setting.folder },
      origin: 'user',
      now: () => performance.now(),
      ...options,
    },
  );
}

function textOf(outcome: TurnOutcome): string {
  if (outcome.status !== 'replied') throw new Error(`not replied: ${JSON.stringify(outcome)}`);
  return outcome.text;
}

function errorOf(outcome: TurnOutcome) {
  if (outcome.status !== 'failed') throw new Error(`not failed: ${outcome.status}`);
  return outcome.error;
}

const history = [{ role: 'user' as const, content: 'my cat is Minka', timestamp: 0 }];

describe('what the agent is given', () => {
  test('without history, stdin is exactly the message', async () => {
    expect(
      textOf(await run({ command: agent('read-stdin.sh') }, { body: 'what $(touch x) is\n\nthis' })),
    ).toBe('what $(touch x) is\n\nthis');
  });

  test('history goes along by default and stays at home for a program that keeps its own', async () => {
    const request = { history, body: 'and my dog?' };
    expect(textOf(await run({ command: agent('read-stdin.sh') }, request))).toMatch(
      /Minka[\s\S]*and my dog\?$/,
    );
    expect(textOf(await run({ command: agent('read-stdin.sh'), context: 'native' }, request))).toBe(
      'and my dog?',
    );
  });

  test('P01 openclaw#54824: a prompt of 300 KB arrives complete', async () => {
    const body = `${'x'.repeat(300_000)}END`;
    expect(textOf(await run({ command: agent('count-stdin.mjs') }, { body }))).toBe('300003 END');
  });

  test('input json is one document', async () => {
    const outcome = await run({ command: agent('read-stdin.sh'), input: 'json' }, { history, body: 'hi' });
    expect(JSON.parse(textOf(outcome))).toMatchObject({ message: 'hi', history, isNewSession: false });
  });

  test('system text stands in front, or in a file of its own where the runner has a place for it', async () => {
    const systemPrompt = 'You are Ada.';
    const plain = { command: agent('read-stdin.sh') };
    expect(textOf(await run(plain, { body: 'hi', systemPrompt }))).toBe('You are Ada.\n\nhi');
    const native = { how: 'resumed' as const, id: 'n', known: { id: 'n', runner: 'test', workspace: '/w' } };
    const kept = { ...plain, context: 'native' as const };
    expect(textOf(await run(kept, { body: 'hi', systemPrompt, native }))).toBe('hi');
    const file = { command: agent('print-file.mjs'), args: [['{{SystemPromptFile}}']] };
    expect(JSON.parse(textOf(await run(file, { body: 'hi', systemPrompt })))).toMatchObject({
      text: systemPrompt,
      mode: '600',
    });
  });

  test('Z04: a message in an argument is data, and stdin is then empty', async () => {
    const runner = {
      command: agent('print-args.mjs'),
      args: ['-p', '{{Body}}', '--model', '{{Model}}', '{{Unknown}}'],
    };
    const body = '--help $(touch x)\n{{SessionKey}}';
    expect(JSON.parse(textOf(await run(runner, { body })))).toEqual({
      args: ['-p', body, '--model', '', ''],
      input: '',
    });
    expect(fs.readdirSync(setting.workspace)).toEqual([]);
  });

  test('P01 Geocodio/yak#10: a prompt too large for an argument is refused with the way out, and nothing starts', async () => {
    const fits = 'x'.repeat(90_000);
    const args = ['{{Body}}'];
    const shown = JSON.parse(textOf(await run({ command: agent('print-args.mjs'), args }, { body: fits })));
    expect(shown.args).toEqual([fits]);
    const body = 'x'.repeat(110_000);
    const error = errorOf(await run({ command: agent('print-args.mjs'), args: ['{{Body}}'] }, { body }));
    expect(error).toMatchObject({
      code: 'prompt-too-long',
      message: expect.stringContaining('110000 bytes'),
    });
    expect(error.hint).toMatch(/stdin.*\{\{PromptFile\}\}/);
    expect(error.message.length).toBeLessThan(300);
  });

  test('P01: a prompt file is private, complete, and gone afterwards', async () => {
    const body = 'ü'.repeat(200_000);
    const shown = JSON.parse(
      textOf(await run({ command: agent('print-file.mjs'), args: ['{{PromptFile}}'] }, { body })),
    );
    expect(shown).toMatchObject({ text: body, mode: '600' });
    expect(path.dirname(path.dirname(shown.file))).toBe(os.tmpdir());
    expect(fs.existsSync(path.dirname(shown.file))).toBe(false);
  });

  test('the prompt file is gone after a failure, too', async () => {
    const outcome = await run({ command: agent('say.sh'), args: ['{{PromptFile}}', '', '1'] });
    const file = outcome.status === 'failed' ? outcome.output : '';
    expect(file).toMatch(/prompt\.txt$/);
    expect(fs.existsSync(path.dirname(file))).toBe(false);
  });

  test('P07 hermes-agent#108121: of the environment only the allow-list, what is configured, and who this is', async () => {
    const outcome = await run(
      { command: agent('print-env.sh'), env: { GREETING: 'hi' } },
      { env: { AGENT_KEY: 'k' } },
      {
        baseEnv: { PATH: process.env.PATH, LC_ALL: 'C', SECRET: 'leaked', OPENCLAW_CRON_JOB: 'nightly' },
        origin: 'cron',
        home: '/state',
        configFile: '/state/claw.json',
      },
    );
    const lines = textOf(outcome).split('\n');
    for (const line of [
      'LC_ALL=C',
      'GREETING=hi',
      'AGENT_KEY=k',
      'CLAW_SESSION_KEY=agent:main:main',
      'CLAW_ORIGIN=cron',
      'CLAW_HOME=/state',
      'CLAW_CONFIG=/state/claw.json',
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.join('\n')).not.toMatch(/SECRET|CRON_JOB|VITEST/);
  });

  test('a workspace that is not there is made, for this user alone', async () => {
    const workspace = path.join(setting.folder, 'new', 'place');
    expect(textOf(await run({ command: 'pwd' }, { workspace }))).toBe(fs.realpathSync(workspace));
    expect((fs.statSync(workspace).mode & 0o777).toString(8)).toBe('700');
  });

  test('a workspace that cannot be made is a failed start', async () => {
    const file = path.join(setting.folder, 'file');
    fs.writeFileSync(file, '');
    expect(errorOf(await run({ command: 'pwd' }, { workspace: path.join(file, 'w') }))).toMatchObject({
      code: 'spawn',
      message: expect.stringContaining('ENOTDIR'),
    });
  });
});

describe('what its end means', () => {
  test('P09 openclaw#43604: a failure with a text is no reply; the text is kept, the reason told, the key hidden', async () => {
    const outcome = await run({ command: agent('fail.sh'), env: { API_KEY: 'sk-very-secret' } });
    expect(outcome).toMatchObject({ status: 'failed', output: 'half an answer' });
    expect(errorOf(outcome)).toMatchObject({
      code: 'exit',
      message: 'runner "test" exited with status 3; it said: login expired; key was ***',
    });
  });

  test('a secret of the configuration that is not its own is hidden in what it says', async () => {
    const options = { secrets: ['bot-token-of-somebody'] };
    const told = { command: agent('say.sh'), args: ['it is bot-token-of-somebody'] };
    expect(await run(told, {}, options)).toMatchObject({ status: 'replied', text: 'it is ***' });
    const refused = { command: agent('say.sh'), args: ['', 'bot-token-of-somebody', '1'] };
    expect(errorOf(await run(refused, {}, options)).message).toContain('it said: ***');
  });

  test('P09 openclaw#121626: exit 0 without a word is a failure', async () => {
    expect(errorOf(await run({ command: agent('say.sh'), args: [''] })).code).toBe('empty');
  });

  test('the silent token is not', async () => {
    expect(await run({ command: agent('say.sh'), args: ['NO_REPLY\n'] })).toMatchObject({ status: 'silent' });
  });

  test.each<[string, Partial<RunnerConfig>, string]>([
    ['hang.sh', { timeoutSeconds: 0.5 }, 'timeout'],
    ['hang.sh', { idleTimeoutSeconds: 0.5 }, 'idle-timeout'],
    ['kill-self.sh', {}, 'signal'],
  ])('%s with %j ends as %s', async (name, limits, code) => {
    const error = errorOf(await run({ command: agent(name), ...limits }));
    expect(error.code).toBe(code);
    expect(error.message).toContain('"test"');
  });

  test('more than the limit', async () => {
    const runner = { command: agent('print-bytes.mjs'), args: ['9999999'], maxOutputBytes: 1000 };
    expect(errorOf(await run(runner)).code).toBe('too-much-output');
  });

  test('5 MB are a reply', async () => {
    expect(textOf(await run({ command: agent('print-bytes.mjs'), args: ['5000000'] }))).toHaveLength(
      5_000_000,
    );
  });

  test('T05 openclaw#69846: odd bytes are a reply that any file can hold, with one warning', async () => {
    const outcome = await run({ command: agent('invalid-utf8.sh') });
    expect(JSON.parse(JSON.stringify(textOf(outcome)))).toMatch(/^a\ufffdb\ufffd+c\u2028d\ne$/);
    expect(outcome.warnings).toEqual([expect.stringContaining('not UTF-8')]);
  });

  test('a document: text, tokens and error where they are', async () => {
    const json = (value: unknown) =>
      run({ command: agent('say.sh'), args: [JSON.stringify(value)], output: 'json' });
    expect(await json({ result: 'pong', usage: { input_tokens: 3, output_tokens: 1 } })).toMatchObject({
      status: 'replied',
      text: 'pong',
      usage: { inputTokens: 3, outputTokens: 1, totalTokens: 4 },
    });
    expect(errorOf(await json({ is_error: true, result: 'no credit' }))).toMatchObject({
      code: 'agent-error',
      message: expect.stringContaining('no credit'),
    });
  });

  test('a command that is not there names itself and the way to look', async () => {
    const error = errorOf(await run({ command: 'no-such-agent' }, { env: { PATH: '/private-place' } }));
    expect(error.message).toContain('"no-such-agent"');
    expect(error.message).not.toContain('/private-place');
    expect(error.hint).toMatch(/claw config show.*PATH/);
  });

  test('a lost session', async () => {
    fs.rmdirSync(setting.lease);
    expect(errorOf(await run({ command: agent('say.sh'), args: ['x'] })).code).toBe('lease-lost');
  });

  test('P03: an abort ends the group and is told as such', async () => {
    const stop = new AbortController();
    const outcome = await run(
      { command: agent('hang-with-child.sh') },
      { signal: stop.signal, onDelta: () => stop.abort() },
    );
    expect(errorOf(outcome).code).toBe('aborted');
    const group = Number(outcome.status === 'failed' && outcome.output.split(' ')[0]);
    expect(group).toBeGreaterThan(0);
    expect(groupMembers(group)).toEqual([]);
  });

  test('a limit that is there but undefined is the default', async () => {
    const runner = {
      command: agent('say.sh'),
      args: ['x'],
      timeoutSeconds: undefined,
      maxOutputBytes: undefined,
    };
    expect(textOf(await run(runner))).toBe('x');
  });
});

describe('streaming', () => {
  test('the pieces are the reply', async () => {
    const pieces: string[] = [];
    const heard = path.join(setting.folder, 'heard');
    const onDelta = (text: string) => {
      pieces.push(text);
      fs.writeFileSync(heard, '');
    };
    const outcome = await run({ command: agent('split-utf8.mjs'), args: [heard] }, { onDelta });
    expect(pieces.join('')).toBe(textOf(outcome));
    expect(pieces.length).toBeGreaterThan(1);
  });

  test.each(['NO_REPLY', 'NO_REP'])('%j is held back until it is known what it is', async text => {
    const pieces: string[] = [];
    await run({ command: agent('say.sh'), args: [text] }, { onDelta: piece => pieces.push(piece) });
    expect(pieces.join('')).toBe(text === 'NO_REPLY' ? '' : text);
  });

  test('a document is not shown by pieces', async () => {
    const pieces: string[] = [];
    const runner = { command: agent('say.sh'), args: ['{"text":"t"}'], output: 'json' as const };
    await run(runner, { onDelta: piece => pieces.push(piece) });
    expect(pieces).toEqual([]);
  });

  test('a listener that fails does not cost the reply', async () => {
    const onDelta = () => {
      throw new Error('EPIPE');
    };
    const outcome = await run({ command: agent('say.sh'), args: ['hello'] }, { onDelta });
    expect(textOf(outcome)).toBe('hello');
    expect(outcome.warnings).toEqual([expect.stringContaining('EPIPE')]);
  });
});

test('without a runner the built-in recall answers', async () => {
  const outcome = await runAgent(
    turnRequest({ workspace: setting.workspace, transcript: path.join(setting.folder, 'none.jsonl') }),
    {
      baseEnv: {},
      origin: 'user',
      now: () => 0,
    },
  );
  expect(textOf(outcome)).toContain('agents.defaults.runner');
});
