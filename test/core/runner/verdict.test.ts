import { describe, expect, test } from 'vitest';
import type { RunnerConfig } from '../../../src/config/schema.ts';
import { type ExecOutcome, judge, NOTHING_HAPPENED } from '../../../src/core/runner/verdict.ts';

const quiet: ExecOutcome = { ...NOTHING_HAPPENED, exitCode: 0, durationMs: 7 };

function verdict(run: Partial<ExecOutcome>, runner: Partial<RunnerConfig> = {}, secrets: string[] = []) {
  const config = { command: 'agent', ...runner };
  return judge({ ...quiet, ...run }, { runnerName: 'mine', runner: config, prompt: 'a prompt', secrets });
}

function errorOf(run: Partial<ExecOutcome>, runner?: Partial<RunnerConfig>, secrets?: string[]) {
  const outcome = verdict(run, runner, secrets);
  return outcome.status === 'failed' ? outcome.error : null;
}

test('exit 0, no error and a text are a reply, with an estimate where no tokens were counted', () => {
  expect(verdict({ stdout: 'yes\n' })).toEqual({
    status: 'replied',
    text: 'yes',
    usage: { inputTokens: 2, outputTokens: 1, totalTokens: 3, contextTokens: 3, estimated: true },
    durationMs: 7,
    warnings: [],
  });
});

describe('an error that poses as a reply', () => {
  const signs = { failed: ['Ran into this error'], auth: ['invalid key'] };

  test('is a failure, from its line on, and is named by its cause', () => {
    const stdout = 'Hello.\nRan into this error: invalid key abcdefgh1\nTry again.\n';
    expect(verdict({ stdout }, { signs }, ['abcdefgh1'])).toMatchObject({
      status: 'failed',
      error: {
        code: 'auth',
        message: 'runner "mine" reported an error: Ran into this error: invalid key ***\nTry again.',
      },
    });
    expect(errorOf({ stdout: 'Ran into this error: busy' }, { signs })?.code).toBe('agent-error');
  });

  test.each(['I ran into this error: none', 'They say: Ran into this error', 'fine'])(
    '%s is a reply',
    stdout => {
      expect(verdict({ stdout }, { signs }).status).toBe('replied');
      expect(verdict({ stdout: 'Ran into this error' }).status).toBe('replied');
    },
  );
});

test.each([
  ['NO_REPLY', undefined, 'silent'],
  ['  NO_REPLY \n', undefined, 'silent'],
  ['NO_REPLY.', undefined, 'silent'],
  ['**NO_REPLY**', undefined, 'silent'],
  ['NO_REPLY - nothing to add', undefined, 'silent'],
  ['NO_REPLYING', undefined, 'replied'],
  ['All done. NO_REPLY', undefined, 'replied'],
  ['HEARTBEAT_OK', undefined, 'silent'],
  ['no_reply', undefined, 'replied'],
  ['HUSH', ['HUSH'], 'silent'],
  ['HUSH now', ['HUSH'], 'replied'],
  ['NO_REPLY', ['HUSH'], 'replied'],
])('%j with the tokens %j is %s', (stdout, silentTokens, status) => {
  expect(verdict({ stdout }, silentTokens ? { silentTokens } : {}).status).toBe(status);
});

test('what an agent prints beside its wish for silence is told to the operator, without secrets', () => {
  const more = verdict({ stdout: 'NO_REPLY: the key is sk-12345678' }, {}, ['sk-12345678']);
  expect(more).toMatchObject({
    status: 'silent',
    warnings: [expect.stringMatching(/not sent: the key is \*\*\*$/)],
  });
  expect(verdict({ stdout: '"NO_REPLY".' }).warnings).toEqual([]);
  expect(verdict({ stdout: 'HEARTBEAT_OK' }).warnings).toEqual([]);
});

test('tokens at the edges are no part of the reply; a heartbeat answers by its own', () => {
  const said = (stdout: string, ackMaxChars?: number) => {
    const input = { runnerName: 'mine', runner: { command: 'agent' }, prompt: '', secrets: [] };
    const outcome = judge(
      { ...quiet, stdout },
      ackMaxChars === undefined ? input : { ...input, heartbeat: { ackMaxChars } },
    );
    if (outcome.status === 'silent') return outcome.acknowledged ? 'acknowledged' : 'silent';
    return outcome.status === 'replied' ? outcome.text : outcome.status;
  };
  expect(said('HEARTBEAT_OK hello')).toBe('hello');
  expect(said('All done.\n\nNO_REPLY')).toBe('All done.');
  expect(said('HEARTBEAT_OK')).toBe('silent');
  expect(said('HEARTBEAT_OK hello', 300)).toBe('acknowledged');
  expect(said('HEARTBEAT_OK hello', 4)).toBe('hello');
  expect(said('HEARTBEAT_OK', 0)).toBe('acknowledged');
  expect(said('NO_REPLY', 0)).toBe('silent');
  expect(said('The disk is full.', 300)).toBe('The disk is full.');
});

describe('failures', () => {
  test.each<[string, Partial<ExecOutcome>, Partial<RunnerConfig>, string, RegExp, RegExp]>([
    [
      'P09 openclaw#121626: exit 0 without a text',
      {},
      {},
      'empty',
      /"mine" exited with status 0, but printed nothing/,
      /NO_REPLY/,
    ],
    [
      'exit 0 without a text in the document',
      { stdout: '{"x":1}' },
      { output: 'json' },
      'empty',
      /printed no reply/,
      /pick\.text/,
    ],
    [
      'a document that is none',
      { stdout: 'hi' },
      { output: 'json' },
      'output',
      /not print one JSON document/,
      /runners\.mine\.output/,
    ],
    [
      'P09 openclaw#43604: another status, whatever the text',
      { exitCode: 3, stdout: 'looks fine' },
      {},
      'exit',
      /status 3/,
      /config show/,
    ],
    [
      'exit 0 with an error flag',
      { stdout: '{"is_error":true,"result":"no credit"}' },
      { output: 'json' },
      'agent-error',
      /no credit/,
      /pick\.error/,
    ],
    [
      'death by a signal, whatever the text',
      { exitCode: null, signal: 'SIGSEGV', stdout: 'fine' },
      {},
      'signal',
      /SIGSEGV/,
      /undefined/,
    ],
    [
      'the time limit',
      { exitCode: 0, timedOut: true, stdout: 'fine' },
      { timeoutSeconds: 9 },
      'timeout',
      /within 9 s/,
      /timeoutSeconds/,
    ],
    [
      'the limit of silence',
      { idleTimedOut: true, signal: 'SIGTERM' },
      {},
      'idle-timeout',
      /for 120 s/,
      /idleTimeoutSeconds/,
    ],
    [
      'too much output',
      { tooMuchOutput: true, signal: 'SIGTERM' },
      {},
      'too-much-output',
      /16777216 bytes/,
      /maxOutputBytes/,
    ],
    [
      'a request to stop',
      { aborted: true, exitCode: 0, stdout: 'fine' },
      {},
      'aborted',
      /on request/,
      /undefined/,
    ],
    [
      'the loss of the session, above all',
      { leaseLost: true, aborted: true, stdout: 'fine' },
      {},
      'lease-lost',
      /took over/,
      /undefined/,
    ],
    [
      'a start that failed',
      { exitCode: null, spawnError: { code: 'ENOENT', message: 'no program "x"' } },
      {},
      'spawn',
      /no program "x"/,
      /claw config show/,
    ],
  ])('%s', (_, run, runner, code, message, hint) => {
    const error = errorOf(run, runner);
    expect(error?.code).toBe(code);
    expect(error?.message).toMatch(message);
    expect(String(error?.hint)).toMatch(hint);
  });

  test('keep what was printed', () => {
    expect(verdict({ exitCode: 1, stdout: 'half an answer' })).toMatchObject({
      status: 'failed',
      output: 'half an answer',
    });
  });

  test('tell the end of stderr, clipped, without half a character', () => {
    const message = errorOf({ exitCode: 1, stderr: `start ${'😀'.repeat(400)} the reason\n` })?.message ?? '';
    expect(message).toMatch(/the reason$/);
    expect(message).not.toContain('start');
    expect(message.isWellFormed?.() ?? true).toBe(true);
    expect(message.length).toBeLessThan(600);
  });

  test('hide configured values, also where clipping would have left half of one', () => {
    const secret = `sk-${'1234567890'.repeat(3)}`;
    const run = { exitCode: 1, stdout: `key ${secret}`, stderr: `${secret}${'x'.repeat(490)}` };
    const outcome = verdict(run, {}, ['sk-12345', secret, 'on']);
    expect(JSON.stringify(outcome)).not.toMatch(/1234567/);
    expect(outcome).toMatchObject({ output: 'key ***' });
  });

  test('clip megabytes', () => {
    const outcome = verdict({ exitCode: 1, stdout: 'x'.repeat(1_000_000) });
    expect(outcome.status === 'failed' && outcome.output.length).toBeLessThan(70_000);
  });
});

test('odd bytes and a held pipe are warnings, not failures', () => {
  const outcome = verdict({ stdout: 'a\ufffd', invalidUtf8: true, outputHeldOpen: true });
  expect(outcome.status).toBe('replied');
  expect(outcome.warnings).toHaveLength(2);
});

test('an id of the program is kept as it is, though a variable names a part of it; one that holds a secret is not kept', () => {
  const runner = { command: 'agent', output: 'json' as const, pick: { sessionId: 'id' } };
  const stdout = '{"result":"yes","id":"project-x/session-1"}';
  const about = { runnerName: 'mine', runner, prompt: 'a prompt', secrets: ['project-x'] };
  const idOf = (secretsInReply: string[]) =>
    judge({ ...quiet, stdout }, { ...about, secretsInReply }).nativeId;
  expect(idOf([])).toBe('project-x/session-1');
  expect(idOf(['project-x'])).toBeUndefined();
});
