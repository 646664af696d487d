import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { BIN, Home, withRunner } from './claw.ts';
import { contents, gated, inbox, lives, program, undelivered, until } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

/** A home whose agent is one program of `test/fixtures/agents`. */
function withAgent(name: string, args: string[] = [], runner: object = {}, rest: object = {}): void {
  home = new Home(withRunner({ command: program(name), args, ...runner }, rest));
}

const say = (...args: string[]) => home.run(['ingest', '--json', ...args]);

/** Pids that `family.sh` noted, once it has. */
async function family(): Promise<number[]> {
  const file = path.join(home.folder, 'pids');
  await until('the agent runs', () => fs.existsSync(file));
  return fs.readFileSync(file, 'utf8').trim().split(' ').map(Number);
}

const turnLines = () => [...home.transcripts().values()].flat().filter(entry => entry.type === 'turn');
const endLines = () => [...home.transcripts().values()].flat().filter(entry => entry.type === 'turn_end');

describe('an agent that fails', () => {
  it('exit 69, the message is kept and shown with its text, what the agent printed is no reply (P09 openclaw#43604)', () => {
    withAgent('fail.sh', [], { env: { API_KEY: 'sk-0123456789abcdef' } });
    const run = say('--id', 'm1', '--channel', 'telegram', '--from', '1', 'are you there?');
    expect(run.status).toBe(69);
    expect(run.json()).toMatchObject({
      status: 'failed',
      messageId: 'm1',
      reply: null,
      error: { code: 'exit' },
    });
    expect(JSON.parse(run.stderr)).toMatchObject({
      error: { code: 'exit', message: expect.stringContaining('login expired') },
    });
    expect(run.stdout + run.stderr).not.toContain('sk-0123456789abcdef');
    expect(inbox(home)).toMatchObject([
      { state: 'failed', text: 'are you there?', sessionKey: 'agent:main:main' },
    ]);
    expect(home.users()).toHaveLength(1);
    expect(home.replies()).toEqual([]);
    expect(undelivered(home)).toEqual([]);
    // It is tried again when asked for, not by itself.
    home.run(['tick']);
    expect(turnLines()).toHaveLength(1);
  });

  it('says so in text mode too, on both streams', () => {
    withAgent('fail.sh');
    const run = home.run(['ingest', 'are you there?']);
    expect(run.status).toBe(69);
    expect(run.stdout).toMatch(/kept/);
    expect(run.stdout).not.toContain('half an answer');
    expect(run.stderr).toMatch(/exited with status 3/);
  });

  it('is told apart when it is not installed', () => {
    home = new Home(withRunner({ command: 'no-such-agent-anywhere' }));
    const run = say('hello');
    expect(run.status).toBe(69);
    expect(run.json()).toMatchObject({ status: 'failed', error: { code: 'spawn' } });
    expect(run.json().error.message).toContain('no-such-agent-anywhere');
    expect(inbox(home)).toMatchObject([{ text: 'hello' }]);
  });

  it('is told apart when it was killed, printed nothing, or printed no document', () => {
    for (const [runner, code] of [
      [{ command: program('kill-self.sh') }, 'signal'],
      [{ command: 'true' }, 'empty'],
      [{ command: program('say.sh'), args: [' \n '] }, 'empty'],
      [{ command: program('say.sh'), args: ['no JSON'], output: 'json' }, 'output'],
      [
        { command: program('say.sh'), args: ['{"is_error":true,"result":"quota exceeded"}'], output: 'json' },
        'agent-error',
      ],
    ] as const) {
      home = new Home(withRunner(runner));
      expect([say('hello').status, say('again').json().error.code]).toEqual([69, code]);
      home.cleanUp();
    }
  });

  it('keeps the session, and everything that was said, over failures of three kinds (R10 openclaw#93052)', () => {
    withAgent('fail.sh', [], { context: 'claw' });
    const first = say('the first text');
    home.config(withRunner({ command: program('hang.sh'), context: 'claw', timeoutSeconds: 1 }));
    const second = say('the second text');
    home.config(
      withRunner({ command: program('say.sh'), args: ['{garbage'], output: 'json', context: 'claw' }),
    );
    const third = say('the third text');
    expect([first, second, third].map(run => run.status)).toEqual([69, 69, 69]);

    home.config(withRunner({ command: 'cat', context: 'claw' }));
    const fourth = say('the fourth text');
    expect(fourth.status).toBe(0);
    const ids = [first, second, third, fourth].map(run => run.json().sessionId);
    expect(new Set(ids).size).toBe(1);
    expect(fourth.json()).toMatchObject({ isNewSession: false, reset: null });
    for (const text of ['the first text', 'the second text', 'the third text', 'the fourth text']) {
      expect(fourth.json().reply.text).toContain(text);
    }
    expect(fourth.json().reply.text).not.toMatch(/half an answer|garbage/);
  });

  it('is tried again by the same message coming again, without a second line for it', () => {
    withAgent('fail.sh');
    const args = ['--channel', 'telegram', '--from', '1', '--id', 'm1', 'hello'];
    expect([say(...args).status, say(...args).status]).toEqual([69, 69]);
    expect(turnLines()).toHaveLength(2);
    expect(inbox(home)).toHaveLength(1);
    home.config(withRunner({ command: 'cat' }));
    expect(say(...args).json()).toMatchObject({ status: 'replied', reply: { text: 'hello' } });
    expect(say(...args).json()).toMatchObject({ status: 'duplicate', reply: { text: 'hello' } });
    expect(home.users()).toHaveLength(1);
    expect(inbox(home)).toEqual([]);
  });
});

describe('an agent that takes too long', () => {
  it('is stopped after timeoutSeconds, with its child, its grandchild elsewhere, and though it ignores SIGTERM (P03 openclaw#133062)', async () => {
    home = new Home();
    home.config(
      withRunner({
        command: program('family.sh'),
        args: [home.folder],
        timeoutSeconds: 1,
        killGraceSeconds: 0.3,
      }),
    );
    const run = say('hello');
    expect(run.status).toBe(69);
    expect(run.json()).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
    expect((await family()).filter(lives)).toEqual([]);
    expect(inbox(home)).toMatchObject([{ text: 'hello' }]);
  });

  it('is stopped alone where its runner has keepChildren (P03 openclaw#102172)', async () => {
    home = new Home();
    home.config(
      withRunner({
        command: program('family.sh'),
        args: [home.folder],
        timeoutSeconds: 1,
        killGraceSeconds: 0.2,
        keepChildren: true,
      }),
    );
    expect(say('hello').json()).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
    const pids = await family();
    const living = pids.map(lives);
    for (const pid of pids.filter(lives)) process.kill(pid, 'SIGKILL');
    expect(living).toEqual([false, true, true]);
  });

  it('is stopped after idleTimeoutSeconds of silence, but not while it talks', () => {
    withAgent('hang.sh', [], { idleTimeoutSeconds: 0.5, killGraceSeconds: 0.2 });
    expect(say('hello').json()).toMatchObject({ status: 'failed', error: { code: 'idle-timeout' } });
    home.config(withRunner({ command: program('keep-talking.sh'), idleTimeoutSeconds: 1 }));
    expect(say('hello').json()).toMatchObject({ status: 'replied', reply: { text: 'finished' } });
  });
});

describe('what an agent prints', () => {
  it('that nobody reads yet holds up no other message of its session, and is whole when it is read', async () => {
    withAgent('print-bytes.mjs', ['2000000']);
    const slow = spawn(process.execPath, [BIN, 'ingest', 'one'], {
      env: home.env(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await until('the first reply', () => home.replies().length === 1);
    const second = home.run(['ingest', '--wait', '20', '--json', 'two']);
    expect(second.json()).toMatchObject({ status: 'replied' });
    expect(slow.exitCode).toBeNull();
    const pieces: Buffer[] = [];
    slow.stdout.on('data', piece => pieces.push(piece));
    await once(slow, 'close');
    expect(Buffer.concat(pieces).toString().trim()).toBe(second.json().reply.text);
    expect(undelivered(home)).toEqual([]);
  });

  it('5 MB arrive whole, and the next message is answered', () => {
    withAgent('print-bytes.mjs', [String(5 * 1024 * 1024)], { context: 'claw' });
    const run = say('much, please');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.json().reply.text).toHaveLength(5 * 1024 * 1024 - 1);
    home.config(withRunner({ command: 'cat', context: 'claw' }));
    expect(say('thanks').json()).toMatchObject({ status: 'replied' });
  });

  it('more than maxOutputBytes is a failure that names the setting, not half a reply', () => {
    withAgent('print-bytes.mjs', ['200000'], { maxOutputBytes: 100_000 });
    const run = say('much, please');
    expect(run.status).toBe(69);
    expect(run.json()).toMatchObject({ status: 'failed', reply: null, error: { code: 'too-much-output' } });
    expect(run.json().error.hint).toContain('maxOutputBytes');
  });

  it('invalid UTF-8, half a surrogate pair, U+2028 and newlines leave a transcript that parses (T05 openclaw#69846)', () => {
    withAgent('invalid-utf8.sh', [], { context: 'claw' });
    const run = say('hello');
    expect(run.status).toBe(0);
    expect(run.stderr).toMatch(/UTF-8/);
    expect(run.json().reply.text).toMatch(/^a\ufffdb\ufffd+c\u2028d\ne$/);
    for (const lines of home.transcripts().values()) {
      for (const line of lines) expect(line).toBeTypeOf('object');
    }
    home.config(withRunner({ command: 'cat', context: 'claw' }));
    expect(say('next').json().reply.text).toContain('c\u2028d');
  });

  it('half a surrogate pair inside a JSON document becomes U+FFFD', () => {
    withAgent('say.sh', ['{"result":"a\\ud800b"}'], { output: 'json' });
    expect(say('hello').json().reply.text).toBe('a\ufffdb');
    expect(home.replies()[0].message.content).toBe('a\ufffdb');
  });

  it('progress on its way to a reply is kept in no file (T07 anthropics/claude-code#18905, openclaw#63820)', () => {
    const script =
      'i=0; while [ $i -lt 5000 ]; do echo "{\\"type\\":\\"progress\\",\\"text\\":\\"step $i\\"}"; i=$((i+1)); done; echo "{\\"type\\":\\"reply\\",\\"text\\":\\"done\\"}"';
    home = new Home(
      withRunner({
        command: 'sh',
        args: ['-c', script],
        output: 'jsonl',
        pick: {
          text: { at: 'text', when: { type: 'reply' } },
          delta: { at: 'text', when: { type: 'progress' } },
        },
      }),
    );
    const events = home.run(['ingest', '--stream', '--json', 'hello']).lines();
    expect(events.filter(event => event.type === 'delta').length).toBeGreaterThan(10);
    expect(events.at(-1)).toMatchObject({ status: 'replied', reply: { text: 'done' } });
    const [lines] = [...home.transcripts().values()];
    expect(lines!.map(line => line.type)).toEqual(['session', 'message', 'turn', 'message', 'turn_end']);
    for (const [file, about] of Object.entries(contents(home.dir, ['cache'])))
      expect(Number(about.split(' ')[0]), file).toBeLessThan(4096);
  });

  it('NO_REPLY is silent: exit 0, nothing on stdout, nothing to deliver', () => {
    withAgent('say.sh', ['NO_REPLY\n']);
    expect(home.run(['ingest', 'hello'])).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(say('--deliver', 'hello').json()).toMatchObject({ status: 'silent', reply: null });
    expect(home.replies()).toEqual([]);
    expect(undelivered(home)).toEqual([]);
    expect(inbox(home)).toEqual([]);
  });

  it('a reply that looks like a command is text (Z06 openclaw#63878)', () => {
    withAgent('say.sh', ['/reset']);
    const first = say('hello').json();
    expect(first).toMatchObject({ status: 'replied', reply: { text: '/reset' } });
    expect(say('hello again').json()).toMatchObject({
      sessionId: first.sessionId,
      isNewSession: false,
      reset: null,
    });
  });

  it('one JSON document: text, usage and error are taken from it', () => {
    withAgent(
      'say.sh',
      ['{"result":"42","usage":{"input_tokens":10,"output_tokens":2}}', 'noise on stderr'],
      {
        output: 'json',
      },
    );
    const run = say('hello');
    expect(run.json()).toMatchObject({
      status: 'replied',
      reply: { text: '42' },
      usage: { inputTokens: 10, outputTokens: 2, totalTokens: 12 },
    });
    expect(run.stdout + run.stderr).not.toContain('noise');
    expect(home.run(['sessions', '--json']).json().sessions[0]).toMatchObject({
      inputTokens: 10,
      outputTokens: 2,
    });
  });

  it('JSON lines: the last text counts, what is not known is passed over', () => {
    const lines = [
      '{"type":"system","note":"ready"}',
      'not JSON',
      '{"type":"item","item":{"text":"first"}}',
      '{"type":"item","item":{"text":"last"}}',
      '{"type":"done","usage":{"input_tokens":5,"output_tokens":1}}',
    ];
    withAgent('say.sh', [lines.join('\n')], { output: 'jsonl', pick: { text: 'item.text' } });
    expect(say('hello').json()).toMatchObject({
      reply: { text: 'last' },
      usage: { inputTokens: 5, outputTokens: 1 },
    });
  });
});

describe('what an agent is given', () => {
  it('an environment by allow-list, and what claw says about the turn (P07 hermes-agent#108121)', () => {
    withAgent('print-env.sh', [], { env: { FROM_RUNNER: 'yes' } }, { timezone: 'Europe/Stockholm' });
    const env = {
      SECRET_TOKEN: 'leaked',
      CRON_JOB: 'leaked',
      NODE_OPTIONS: '',
      LC_ALL: 'C.UTF-8',
      XDG_DATA_HOME: '/x',
    };
    const run = home.run(['ingest', '--json', '--channel', 'telegram', '--from', '1', 'hello'], { env });
    const result = run.json();
    const seen = Object.fromEntries(
      result.reply.text.split('\n').map((line: string) => line.split(/=(.*)/s).slice(0, 2)),
    );
    expect(seen).toMatchObject({
      PATH: process.env.PATH,
      HOME: home.folder,
      TZ: 'UTC',
      LC_ALL: 'C.UTF-8',
      XDG_DATA_HOME: '/x',
      FROM_RUNNER: 'yes',
      CLAW_AGENT_ID: 'main',
      CLAW_SESSION_KEY: 'agent:main:main',
      CLAW_SESSION_ID: result.sessionId,
      CLAW_TRANSCRIPT: home.path('agents', 'main', 'sessions', `${result.sessionId}.jsonl`),
      CLAW_ORIGIN: 'user',
      PWD: home.path('agents', 'main', 'workspace'),
    });
    expect(seen.CLAW_RUN_ID).toMatch(/^[0-9a-f-]{36}$/);
    for (const name of ['SECRET_TOKEN', 'CRON_JOB', 'NODE_OPTIONS']) expect(seen).not.toHaveProperty(name);
  });

  it('templates in its arguments, filled once', () => {
    withAgent('print-args.mjs', [
      '--session',
      '{{SessionKey}}',
      '{{Body}}',
      '{{Unknown}}',
      '{{Model}}:{{Channel}}:{{From}}:{{IsNewSession}}',
    ]);
    const said = () =>
      JSON.parse(say('--channel', 'telegram', '--from', '{{Body}}', 'say {{SessionId}}').json().reply.text);
    expect(said()).toEqual({
      args: ['--session', 'agent:main:main', 'say {{SessionId}}', '', ':telegram:{{Body}}:true'],
      input: '',
    });
    expect(said().args.at(-1)).toBe(':telegram:{{Body}}:false');
  });

  it('a prompt file of mode 600 that is gone afterwards (P01 openclaw#54824)', () => {
    withAgent('print-file.mjs', ['{{PromptFile}}']);
    const temporary = path.join(home.folder, 'tmp');
    fs.mkdirSync(temporary);
    const text = 'ü'.repeat(150_000);
    const run = home.run(['ingest', '--json'], { input: text, env: { TMPDIR: temporary } });
    const { file, mode, text: seen } = JSON.parse(run.json().reply.text);
    expect({ mode, seen: seen === text }).toEqual({ mode: '600', seen: true });
    expect(fs.existsSync(file)).toBe(false);
    expect(fs.readdirSync(temporary)).toEqual([]);
  });

  it('no prompt of 300 KB as an argument: a clear failure instead', () => {
    withAgent('print-args.mjs', ['{{Body}}']);
    const run = home.run(['ingest', '--json'], { input: 'x'.repeat(300_000) });
    expect(run.status).toBe(69);
    expect(run.json().error).toMatchObject({
      code: 'prompt-too-long',
      hint: expect.stringContaining('{{PromptFile}}'),
    });
  });

  it('as input json, one document with message, history and origin', () => {
    withAgent('read-stdin.sh', [], { input: 'json', context: 'claw' });
    say('first');
    const document = JSON.parse(say('--channel', 'telegram', '--from', '7', 'second').json().reply.text);
    expect(document).toMatchObject({
      message: 'second',
      history: [{ role: 'user', content: 'first' }, { role: 'assistant' }],
      sessionKey: 'agent:main:main',
      origin: { channel: 'telegram', from: '7', chatType: 'dm' },
      isNewSession: false,
    });
  });

  it('no rights: what it says through a nested claw is never a command', () => {
    withAgent('read-stdin.sh');
    // From its own session it would wait for itself; from the main one it may write to the others of its agent.
    const group = ['--channel', 'irc', '--group', 'g', '--from', 'ada', '--mentioned'];
    const first = say(...group, 'hello').json();
    const nested = home.run(['ingest', '--json', ...group, '/new'], {
      env: {
        CLAW_RUN_ID: 'a-run',
        CLAW_ORIGIN: 'user',
        CLAW_AGENT_ID: 'main',
        CLAW_SESSION_KEY: 'agent:main:main',
      },
    });
    expect(nested.json()).toMatchObject({
      status: 'replied',
      reply: { text: '/new' },
      sessionId: first.sessionId,
      reset: null,
    });
  });
});

describe('claw that is told to end while its agent runs', () => {
  it('SIGTERM: nobody of the agent survives, the message is kept as queued, the next tick answers it', async () => {
    home = new Home();
    home.config(withRunner({ command: program('family.sh'), args: [home.folder], killGraceSeconds: 0.3 }));
    const { child, done } = home.start(['ingest', '--json', 'hello']);
    const pids = await family();
    child.kill('SIGTERM');
    const run = await done;
    expect(run).toMatchObject({ status: 0, signal: null });
    expect(run.json()).toMatchObject({ status: 'queued', reply: null });
    expect(run.json().reason).toMatch(/tick/);
    expect(pids.filter(lives)).toEqual([]);
    expect(home.users().map(entry => entry.message.content)).toEqual(['hello']);
    expect(home.run(['tick', '--dry-run', '--json']).json().actions).toContainEqual(
      expect.objectContaining({ do: 'work', key: 'agent:main:main' }),
    );

    home.config(withRunner({ command: 'cat' }));
    expect(home.run(['tick'])).toMatchObject({ status: 0, stderr: '' });
    expect(undelivered(home)).toMatchObject([{ text: 'hello', messageId: run.json().messageId }]);
    expect(home.users()).toHaveLength(1);
    expect(home.run(['tick', '--dry-run', '--json']).json().actions).not.toContainEqual(
      expect.objectContaining({ do: 'work' }),
    );
  });

  it('SIGTERM: the interrupted message is visible until it is answered', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const { child, done } = home.start(['ingest', '--json', 'hello']);
    await gate.begun();
    child.kill('SIGTERM');
    await done;
    expect(inbox(home)).toMatchObject([{ state: 'waiting', text: 'hello', sessionKey: 'agent:main:main' }]);
    expect(home.run(['status', '--json']).json().pending).toMatchObject({ sessions: 1 });
  });

  it('SIGINT ends the turn: exit 130, the agent is gone, no tick runs it again', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const { child, done } = home.start(['ingest', '--json', 'hello']);
    await gate.begun();
    const [run] = gate.runs();
    child.kill('SIGINT');
    const outcome = await done;
    expect(outcome.status).toBe(130);
    expect(outcome.json()).toMatchObject({ reply: null, sessionKey: 'agent:main:main' });
    expect(lives(run!.pid)).toBe(false);
    gate.open();
    expect(home.run(['tick']).status).toBe(0);
    expect(gate.runs()).toHaveLength(1);
    expect(endLines()).toMatchObject([{ status: 'stopped' }]);
    expect(undelivered(home)).toEqual([]);
  });

  it('SIGKILL: the old agent is dead before a tick starts the new one (P03 openclaw#121049)', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const ingest = home.start([
      'ingest',
      '--json',
      '--id',
      'm1',
      '--channel',
      'telegram',
      '--from',
      '1',
      'hello',
    ]);
    await gate.begun();
    const old = gate.runs()[0]!.pid;
    ingest.child.kill('SIGKILL');
    await ingest.done;
    expect(lives(old)).toBe(true);

    const tick = home.start(['tick']);
    await gate.begun(2);
    expect(lives(old)).toBe(false);
    gate.open();
    expect(await tick.done).toMatchObject({ status: 0 });
    expect(gate.overlaps()).toEqual([]);
    expect(gate.prompts()).toEqual(['hello', 'hello']);
    expect(turnLines().map(entry => entry.attempt)).toEqual([1, 2]);
    expect(home.users()).toHaveLength(1);
    expect(undelivered(home)).toMatchObject([{ text: 'hello', messageId: 'm1' }]);
    home.run(['tick']);
    expect(gate.runs()).toHaveLength(2);
  });

  it('SIGKILL: the next message finds the same, and is answered behind the first', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const ingest = home.start(['ingest', 'first']);
    await gate.begun();
    ingest.child.kill('SIGKILL');
    await ingest.done;
    gate.open();
    expect(say('second').json()).toMatchObject({ status: 'replied', reply: { text: 'second' } });
    expect(gate.prompts()).toEqual(['first', 'first', 'second']);
    expect(gate.overlaps()).toEqual([]);
    expect(undelivered(home)).toMatchObject([{ text: 'first' }]);
  });

  it('SIGKILL: children of the agent that left its group are dead too', async () => {
    home = new Home();
    home.config(withRunner({ command: program('family.sh'), args: [home.folder] }));
    const ingest = home.start(['ingest', 'hello']);
    const pids = await family();
    ingest.child.kill('SIGKILL');
    await ingest.done;
    expect(pids.filter(lives)).toEqual(pids);
    home.config(withRunner({ command: 'cat' }));
    expect(home.run(['tick']).status).toBe(0);
    expect(pids.filter(lives)).toEqual([]);
  });

  it('SIGKILL twice: the turn is recorded as interrupted and not started a third time', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    for (const [number, args] of [['ingest', 'hello'], ['tick']].entries()) {
      const { child, done } = home.start(args);
      await gate.begun(number + 1);
      child.kill('SIGKILL');
      await done;
    }
    gate.open();
    expect(home.run(['tick']).status).toBe(0);
    home.run(['tick']);
    expect(gate.runs()).toHaveLength(2);
    expect(gate.runs().filter(run => lives(run.pid))).toEqual([]);
    expect(endLines()).toMatchObject([{ status: 'interrupted' }]);
    expect(inbox(home)).toMatchObject([{ state: 'interrupted', text: 'hello' }]);
    expect(say('and now?').json()).toMatchObject({ status: 'replied', reply: { text: 'and now?' } });
  });
});
