import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { BIN, Home, withRunner } from './claw.ts';
import {
  ageBy,
  editRecord,
  gated,
  HOUR,
  MINUTE,
  modes,
  readRecord,
  recordFile,
  recordFiles,
  transcriptFile,
} from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

/** A daily boundary far from now, so that no test runs across it. */
const quietHour = (new Date().getUTCHours() + 12) % 24;

type Result = any;

function withSession(session: object, runner: object = { command: 'cat' }, rest: object = {}): void {
  home = new Home(withRunner(runner, { session, ...rest }));
}

function say(text: string, ...from: string[]): Result {
  return home
    .run(['ingest', '--json', ...(from.length > 0 ? from : ['--channel', 'telegram', '--from', '1']), text])
    .json();
}

const group = (text: string) => ['--channel', 'telegram', '--group=-100', '--from', '1', '--mentioned', text];
const thread = (text: string) => [
  '--channel',
  'slack',
  '--chat',
  'thread',
  '--parent',
  'C1',
  '--thread',
  't1',
  '--from',
  '1',
  '--mentioned',
  text,
];

const sayInGroup = (text: string): Result => home.run(['ingest', '--json', ...group(text)]).json();

/** The lines of a transcript. */
const lines = (sessionId: string) => home.transcripts().get(`${sessionId}.jsonl`) ?? [];

describe('a daily reset', () => {
  it('ends a session of yesterday with the next message, which is the first of the new one (R04 openclaw#78059)', () => {
    home = new Home();
    const gate = gated(home, { session: { reset: { atHour: quietHour } } }, { context: 'claw' });
    const first = say('yesterday');
    ageBy(recordFile(home), 25 * HOUR);
    const second = say('hello');
    expect(second).toMatchObject({
      status: 'replied',
      isNewSession: true,
      reset: { reason: 'daily', previousSessionId: first.sessionId },
      reply: { text: 'hello' },
    });
    expect(second.sessionId).not.toBe(first.sessionId);
    expect(Date.now() - Date.parse(second.reset.at)).toBeLessThan(60_000);
    expect(gate.prompts()).toEqual(['yesterday', 'hello']);
    expect(lines(second.sessionId)[0]).toMatchObject({
      type: 'session',
      id: second.sessionId,
      previousSessionId: first.sessionId,
    });
    expect(lines(second.sessionId).find(entry => entry.message)).toMatchObject({
      message: { role: 'user', content: 'hello' },
    });

    const third = say('and on');
    expect(third).toMatchObject({
      isNewSession: false,
      reset: null,
      notices: [],
      sessionId: second.sessionId,
    });
    expect(gate.prompts()[2]).toContain('hello');
    expect(gate.prompts()[2]).not.toContain('yesterday');
  });

  it('archives the old transcript with its reason and successor as the last line; it can still be read (R12 openclaw#130063, R16 openclaw#56131)', () => {
    withSession({ reset: { atHour: quietHour } });
    const first = say('remember the spare key');
    const before = fs.readFileSync(transcriptFile(home, first.sessionId), 'utf8');
    ageBy(recordFile(home), 25 * HOUR);
    const second = say('hello');
    const after = fs.readFileSync(transcriptFile(home, first.sessionId), 'utf8');
    expect(after.startsWith(before)).toBe(true);
    expect(lines(first.sessionId).filter(entry => entry.type === 'reset')).toMatchObject([
      { reason: 'daily', nextSessionId: second.sessionId, timestamp: expect.any(Number) },
    ]);
    expect(lines(first.sessionId).at(-1).type).toBe('reset');
    const old = home.run(['sessions', 'history', first.sessionId, '--json']);
    expect(old).toMatchObject({ status: 0, stderr: '' });
    expect(old.json().messages[0]).toMatchObject({ role: 'user', text: 'remember the spare key' });
    expect(home.run(['sessions', '--json']).json().sessions).toMatchObject([
      { sessionId: second.sessionId, previousSessionId: first.sessionId, messageCount: 2 },
    ]);
  });

  it('tells the user once, before the reply; not where notifyUser is off (R06 openclaw#96751)', () => {
    withSession({ reset: { atHour: quietHour } });
    const first = say('yesterday');
    ageBy(recordFile(home), 25 * HOUR);
    const text = home.run(['ingest', '--channel', 'telegram', '--from', '1', 'hello']).stdout.split('\n');
    expect(text).toHaveLength(3);
    expect(text[0]).toMatch(/new session.*daily/i);
    expect(text[0]).toContain(first.sessionId);
    expect(text[1]).toBe('hello');
    ageBy(recordFile(home), 25 * HOUR);
    expect(say('hello').notices).toHaveLength(1);
    expect(say('again').notices).toEqual([]);

    home.config(
      withRunner({ command: 'cat' }, { session: { reset: { atHour: quietHour, notifyUser: false } } }),
    );
    ageBy(recordFile(home), 25 * HOUR);
    expect(say('hello')).toMatchObject({ notices: [], reset: { reason: 'daily' }, isNewSession: true });
    ageBy(recordFile(home), 25 * HOUR);
    expect(home.run(['ingest', '--channel', 'telegram', '--from', '1', 'hello']).stdout).toBe('hello\n');
  });

  it('is still told where the agent failed on the first message of the new session', () => {
    withSession({ reset: { atHour: quietHour } });
    say('yesterday');
    ageBy(recordFile(home), 25 * HOUR);
    home.config(withRunner({ command: 'false' }, { session: { reset: { atHour: quietHour } } }));
    const failed = say('hello');
    home.config(withRunner({ command: 'cat' }, { session: { reset: { atHour: quietHour } } }));
    expect(say('again')).toMatchObject({
      status: 'replied',
      sessionId: failed.sessionId,
      reset: { reason: 'daily' },
      notices: [expect.stringMatching(/daily/)],
    });
  });

  it('looks at the last message of a user, not at the start of the session, and not at group chatter', () => {
    withSession({ reset: { atHour: quietHour } });
    const first = sayInGroup('hello');
    const file = recordFile(home);
    // Begun long ago, but used since the boundary.
    editRecord(file, { startedAt: Date.now() - 100 * HOUR, lastUserAt: Date.now() - MINUTE });
    expect(sayInGroup('hello')).toMatchObject({ sessionId: first.sessionId, reset: null });
    // Only chatter since: recorded, it neither keeps the session alive nor ends it.
    ageBy(file, 25 * HOUR);
    const chatter = say('chatter', '--channel', 'telegram', '--group=-100', '--from', '2');
    expect(chatter).toMatchObject({ status: 'recorded', sessionId: first.sessionId, reset: null });
    expect(sayInGroup('hello')).toMatchObject({ isNewSession: true, reset: { reason: 'daily' } });
  });

  it('is not done by looking at it', () => {
    withSession({ reset: { atHour: quietHour } });
    const first = say('yesterday');
    ageBy(recordFile(home), 25 * HOUR);
    for (const args of [
      ['sessions'],
      ['sessions', 'show', 'main'],
      ['route', 'hello'],
      ['status'],
      ['tick', '--dry-run'],
    ]) {
      expect(home.run(args).status).toBe(0);
    }
    const shown = home.run(['sessions', 'show', 'main', '--json']).json();
    expect(shown).toMatchObject({
      sessionId: first.sessionId,
      reset: { fresh: false, reason: 'daily', policy: { mode: 'daily' } },
    });
    const route = home.run(['route', '--json', '--channel', 'telegram', '--from', '1', 'hello']).json();
    expect(route.reset).toEqual(shown.reset);
    expect(readRecord(recordFile(home)).sessionId).toBe(first.sessionId);
  });

  it('happens at the hour of the zone that is configured, whatever the host has (R08 openclaw#59411)', () => {
    const reset = { atHour: 4, tz: 'Asia/Shanghai' };
    withSession({ reset });
    say('hello');
    // 19:59Z and 20:01Z are 03:59 and 04:01 in Shanghai.
    editRecord(recordFile(home), {
      startedAt: Date.parse('2026-03-10T19:00:00Z'),
      lastUserAt: Date.parse('2026-03-10T19:59:00Z'),
    });
    const at = (time: string) => home.run(['sessions', 'show', 'main', '--json', '--at', time]).json().reset;
    expect(at('2026-03-10T19:59:30Z')).toMatchObject({
      fresh: true,
      dailyResetAt: '2026-03-09T20:00:00.000Z',
    });
    expect(at('2026-03-10T20:01:00Z')).toMatchObject({
      fresh: false,
      reason: 'daily',
      dailyResetAt: '2026-03-10T20:00:00.000Z',
    });
    expect(at('2026-03-10T20:01:00Z').policy).toMatchObject({ atHour: 4, tz: 'Asia/Shanghai' });
  });

  const faketime = spawnSync('faketime', ['2026-03-10 00:00:00', 'date'], { encoding: 'utf8' });
  const noFaketime = faketime.status === 0 ? null : (faketime.error?.message ?? faketime.stderr);
  if (noFaketime) console.log(`the test with a moved clock is skipped: faketime: ${noFaketime}`);

  it.skipIf(noFaketime !== null)(
    'is met by real messages on both sides of a boundary in another zone (R08 openclaw#59411)',
    () => {
      withSession({}, { command: 'cat' }, { timezone: 'Asia/Shanghai' });
      const sayAt = (time: string, text: string): Result => {
        const args = [time, process.execPath, BIN, 'ingest', '--json', text];
        const env = home.env({ FAKETIME_DONT_FAKE_MONOTONIC: '1' });
        const run = spawnSync('faketime', args, { env, input: '', encoding: 'utf8' });
        expect(run.stderr).toBe('');
        return JSON.parse(run.stdout);
      };
      const first = sayAt('2026-03-10 19:58:00', 'before');
      const second = sayAt('2026-03-10 19:59:30', 'still before');
      const third = sayAt('2026-03-10 20:01:00', 'behind it');
      const fourth = sayAt('2026-03-11 19:59:00', 'the same day there');
      expect(second).toMatchObject({ sessionId: first.sessionId, reset: null });
      expect(third).toMatchObject({
        isNewSession: true,
        reset: { reason: 'daily', at: expect.stringMatching(/^2026-03-10T20:01:0/) },
      });
      expect(fourth).toMatchObject({ sessionId: third.sessionId, reset: null });
    },
  );
});

describe('an idle reset', () => {
  it('ends a session after idleMinutes of silence, and not before', () => {
    withSession({ reset: { mode: 'idle', idleMinutes: 60 } });
    const first = say('hello');
    ageBy(recordFile(home), 59 * MINUTE);
    expect(say('just in time')).toMatchObject({ sessionId: first.sessionId, reset: null });
    ageBy(recordFile(home), 61 * MINUTE);
    expect(say('too late')).toMatchObject({
      isNewSession: true,
      reset: { reason: 'idle', previousSessionId: first.sessionId },
    });
    expect(lines(first.sessionId).at(-1)).toMatchObject({ type: 'reset', reason: 'idle' });
  });

  it('beside a daily one: whichever comes first', () => {
    withSession({ reset: { mode: 'daily', atHour: quietHour, idleMinutes: 30 } });
    say('hello');
    ageBy(recordFile(home), 31 * MINUTE);
    expect(say('hello').reset).toMatchObject({ reason: 'idle' });
    home.config(
      withRunner(
        { command: 'cat' },
        { session: { reset: { mode: 'daily', atHour: quietHour, idleMinutes: 5000 } } },
      ),
    );
    ageBy(recordFile(home), 26 * HOUR);
    expect(say('hello').reset).toMatchObject({ reason: 'daily' });
  });

  it('is all there is where only the older idleMinutes is set', () => {
    withSession({ idleMinutes: 3000 });
    const first = say('hello');
    ageBy(recordFile(home), 49 * HOUR);
    expect(say('two boundaries later')).toMatchObject({ sessionId: first.sessionId, reset: null });
    expect(home.run(['sessions', 'show', 'main', '--json']).json().reset).toMatchObject({
      policy: { mode: 'idle', idleMinutes: 3000 },
      dailyResetAt: null,
    });
    ageBy(recordFile(home), 51 * HOUR);
    expect(say('too late').reset).toMatchObject({ reason: 'idle' });
  });

  it('never looks at the time that a sender claims', () => {
    withSession({ reset: { mode: 'idle', idleMinutes: 60 } });
    const first = say('hello');
    for (const timestamp of ['2020-01-01T00:00:00Z', '2099-01-01T00:00:00Z']) {
      const run = home.run(['ingest', '--json'], {
        input: JSON.stringify({ channel: 'telegram', from: '1', text: 'hi', timestamp }),
      });
      expect(run.json()).toMatchObject({ sessionId: first.sessionId, reset: null });
    }
  });
});

describe('a transcript that has grown too large', () => {
  it('is archived by the next message, which is the first of a new session; asking says so before (T07 openclaw#63820, nanocoai/nanoclaw#137)', () => {
    withSession({ reset: { mode: 'off' }, maxTranscriptBytes: 3000 });
    const first = say('small');
    expect(say('still small')).toMatchObject({ sessionId: first.sessionId, reset: null });
    const large = say(`large ${'x'.repeat(3000)}`);
    expect(large).toMatchObject({ sessionId: first.sessionId, reset: null });
    const file = transcriptFile(home, first.sessionId);
    const before = fs.readFileSync(file);

    const stale = { fresh: false, reason: 'size', policy: { mode: 'off' } };
    expect(home.run(['sessions', 'show', 'main', '--json']).json().reset).toMatchObject(stale);
    expect(
      home.run(['route', '--json', '--channel', 'telegram', '--from', '1', 'hello']).json().reset,
    ).toMatchObject(stale);
    // Of itself nothing happens: a tick begins no session for it.
    home.run(['tick']);
    expect(fs.readFileSync(file)).toEqual(before);

    const next = say('hello');
    expect(next).toMatchObject({
      status: 'replied',
      isNewSession: true,
      reset: { reason: 'size', previousSessionId: first.sessionId },
      notices: [expect.stringMatching(/session\.maxTranscriptBytes.*claw sessions history/)],
      reply: { text: 'hello' },
    });
    const archived = fs.readFileSync(file);
    expect(archived.subarray(0, before.length)).toEqual(before);
    expect(lines(first.sessionId).at(-1)).toMatchObject({ type: 'reset', reason: 'size' });
    expect(say('and on')).toMatchObject({ sessionId: next.sessionId, isNewSession: false, reset: null });
  });
});

describe('which policy applies', () => {
  it('off means never', () => {
    withSession({ reset: { mode: 'off' } });
    const first = say('hello');
    ageBy(recordFile(home), 10_000 * HOUR);
    expect(say('a year later')).toMatchObject({ sessionId: first.sessionId, reset: null, notices: [] });
  });

  it('per type: threads before groups before private messages, merged over the general one', () => {
    withSession({
      reset: { mode: 'idle', idleMinutes: 60 },
      resetByType: { dm: { mode: 'off' }, group: { idleMinutes: 120 }, thread: { idleMinutes: 10 } },
    });
    const chats: Record<string, [string[], number]> = {
      dm: [['--channel', 'telegram', '--from', '1', 'hello'], 10_000],
      group: [group('hello'), 119],
      thread: [thread('hello'), 9],
    };
    for (const [type, [args, minutes]] of Object.entries(chats)) {
      const first = home.run(['ingest', '--json', ...args]).json();
      const reset = home.run(['sessions', 'show', first.sessionKey, '--json']).json().reset;
      expect(reset, type).toMatchObject({ type, policy: { mode: type === 'dm' ? 'off' : 'idle' } });
      const file = recordFiles(home).find(each => readRecord(each).key === first.sessionKey)!;
      ageBy(file, minutes * MINUTE);
      expect(home.run(['ingest', '--json', ...args]).json()).toMatchObject({ sessionId: first.sessionId });
      if (type === 'dm') continue;
      ageBy(file, (minutes + 2) * MINUTE);
      expect(home.run(['ingest', '--json', ...args]).json().reset).toMatchObject({ reason: 'idle' });
    }
  });

  it('per channel replaces everything else', () => {
    withSession({
      dmScope: 'per-channel-peer',
      reset: { mode: 'idle', idleMinutes: 10 },
      resetByType: { dm: { idleMinutes: 5 } },
      resetByChannel: { Telegram: { mode: 'off' } },
    });
    const first = say('hello');
    const other = say('hello', '--channel', 'discord', '--from', '1');
    for (const file of recordFiles(home)) ageBy(file, 30 * MINUTE);
    expect(say('hello')).toMatchObject({ sessionId: first.sessionId, reset: null });
    expect(say('hello', '--channel', 'discord', '--from', '1').reset).toMatchObject({
      reason: 'idle',
      previousSessionId: other.sessionId,
    });
  });
});

describe('a reset that is asked for', () => {
  it.each(['/new', '/reset', '/NEW', ' /new '])(
    '%s alone is answered with a greeting, without the agent (R11 openclaw#126836)',
    trigger => {
      home = new Home();
      const gate = gated(home);
      const first = say('hello');
      const reset = say(trigger);
      expect(reset).toMatchObject({
        status: 'command',
        isNewSession: true,
        reset: { reason: 'user', previousSessionId: first.sessionId },
        notices: [],
      });
      expect(reset.sessionId).not.toBe(first.sessionId);
      expect(reset.reply.text).toMatch(/new session/i);
      expect(reset.reply.text).not.toContain('/');
      expect(gate.prompts()).toEqual(['hello']);
      expect(lines(first.sessionId).at(-1)).toMatchObject({
        type: 'reset',
        reason: 'user',
        nextSessionId: reset.sessionId,
      });
      const shown = home.run(['sessions', 'show', 'main', '--json']).json();
      expect(shown).toMatchObject({
        sessionId: reset.sessionId,
        previousSessionId: first.sessionId,
        messageCount: 0,
      });

      expect(say('and now')).toMatchObject({
        sessionId: reset.sessionId,
        isNewSession: false,
        reset: null,
        notices: [],
      });
    },
  );

  it.each(['/new', '/reset'])('%s with a text passes the text on', trigger => {
    home = new Home();
    const gate = gated(home, {}, { context: 'claw' });
    const first = say('hello');
    const reset = say(`${trigger}   rest of\n  the text`);
    expect(reset).toMatchObject({
      status: 'replied',
      isNewSession: true,
      reset: { reason: 'user', previousSessionId: first.sessionId },
      notices: [],
      reply: { text: 'rest of\n  the text' },
    });
    expect(gate.prompts()).toEqual(['hello', 'rest of\n  the text']);
    say('next');
    expect(gate.prompts()[2]).not.toContain('hello');
    expect(gate.prompts()[2]).toContain('rest of');
  });

  it('what only looks like one is text', () => {
    withSession({});
    const first = say('hello');
    for (const text of ['/newish idea', 'explain /reset', 'note: /new', '/new_thing', '/ new']) {
      expect(say(text)).toMatchObject({
        status: 'replied',
        sessionId: first.sessionId,
        reset: null,
        reply: { text },
      });
    }
  });

  it('works with triggers of the config, and in groups behind a mention', () => {
    withSession({ resetTriggers: ['neues Thema'] });
    const first = say('hello');
    expect(say('Neues  Thema')).toMatchObject({
      status: 'command',
      reset: { previousSessionId: first.sessionId },
    });
    const inGroup = sayInGroup('hello');
    for (const text of ['/new@claw_bot', '@claw_bot /new']) {
      expect(sayInGroup(text)).toMatchObject({
        status: 'command',
        sessionKey: inGroup.sessionKey,
        reset: { reason: 'user' },
      });
    }
  });

  it('/new with an alias or a known model sets the model; with another word it is text', () => {
    withSession(
      {},
      { command: 'sh', args: ['-c', 'echo "$1: $(cat)"', 'sh', '{{Model}}'] },
      {
        owners: ['telegram:1'],
        models: { opus: 'anthropic/claude-opus' },
        agents: { defaults: { runner: 'agent', model: 'openai/gpt' } },
      },
    );
    expect(say('hello').reply.text).toBe('openai/gpt: hello');
    const bare = say('/new opus');
    expect(bare).toMatchObject({ status: 'command', isNewSession: true });
    expect(bare.reply.text).toContain('anthropic/claude-opus');
    expect(say('hello').reply.text).toBe('anthropic/claude-opus: hello');
    const shown = home.run(['sessions', 'show', 'main', '--json']).json();
    expect(shown.settings.model).toEqual({ value: 'anthropic/claude-opus', source: 'session' });
    expect(say('/new OpenAI/GPT and a text').reply.text).toBe('openai/gpt: and a text');
    expect(say('/new opinions, please').reply.text).toBe('openai/gpt: opinions, please');
  });

  it('on a session that does not exist yet is no reset', () => {
    withSession({});
    expect(say('/new')).toMatchObject({ status: 'command', isNewSession: true, reset: null });
    const second = say('hello');
    expect(second).toMatchObject({ status: 'replied', reset: null });
    expect([...home.transcripts().keys()]).toEqual([`${second.sessionId}.jsonl`]);
  });
});

describe('settings', () => {
  const sayAfter = (ms: number): Result => {
    ageBy(recordFile(home), ms);
    return say('hello');
  };
  const resets: [string, object, () => Result][] = [
    ['a daily reset', { atHour: quietHour }, () => sayAfter(25 * HOUR)],
    ['an idle reset', { mode: 'idle', idleMinutes: 5 }, () => sayAfter(6 * MINUTE)],
    ['a reset that is asked for', { mode: 'off' }, () => say('/new')],
  ];

  // What the runner is told, the session's own settings in it.
  const told = { command: 'sh', args: ['-c', 'echo "$1 $2"', 'sh', '{{Model}}', '{{ThinkingLevel}}'] };
  const owned = { owners: ['telegram:1'], agents: { defaults: { runner: 'agent', model: 'openai/gpt' } } };
  const set = () => {
    for (const text of ['/model anthropic/claude-opus', '/think high', '/verbose on'])
      expect(say(text)).toMatchObject({ status: 'command', reset: null });
  };

  it.each(resets)('survive %s (R15 openclaw#92562)', (_, reset, trigger) => {
    withSession({ reset }, told, owned);
    say('hello');
    set();
    expect(trigger()).toMatchObject({ isNewSession: true, reset: { reason: expect.any(String) } });
    expect(home.run(['sessions', 'show', 'main', '--json']).json().settings).toMatchObject({
      model: { value: 'anthropic/claude-opus', source: 'session' },
      thinkingLevel: { value: 'high', source: 'session' },
      verboseLevel: { value: 'on', source: 'session' },
    });
    expect(say('and on').reply.text.trim()).toBe('anthropic/claude-opus high');
  });

  it.each(resets)('end with %s where preserveSettings is false', (_, reset, trigger) => {
    withSession({ reset: { ...reset, preserveSettings: false } }, told, owned);
    say('hello');
    set();
    expect(say('before').reply.text.trim()).toBe('anthropic/claude-opus high');
    expect(trigger()).toMatchObject({ isNewSession: true });
    const { settings } = home.run(['sessions', 'show', 'main', '--json']).json();
    expect(settings.model).toEqual({ value: 'openai/gpt', source: 'defaults' });
    for (const setting of Object.values<{ source: string }>(settings))
      expect(setting.source).not.toBe('session');
    expect(say('and on').reply.text.trim()).toBe('openai/gpt');
  });
});

describe('files deleted by hand', () => {
  it('the record: the next message makes a new session, and the old transcript stays', () => {
    withSession({ reset: { mode: 'off' } });
    const first = say('hello');
    const bytes = fs.readFileSync(transcriptFile(home, first.sessionId));
    fs.rmSync(recordFile(home));
    expect(home.run(['sessions', '--json'])).toMatchObject({ status: 0, stderr: '' });
    const second = say('hello again');
    expect(second).toMatchObject({ status: 'replied', isNewSession: true });
    expect(second.sessionId).not.toBe(first.sessionId);
    expect(fs.readFileSync(transcriptFile(home, first.sessionId))).toEqual(bytes);
  });

  it('the transcript: the next message makes a new session, says so, and keeps settings', () => {
    withSession({ reset: { mode: 'off' } }, { command: 'cat' }, { owners: ['telegram:1'] });
    const first = say('hello');
    expect(say('/model m').status).toBe('command');
    fs.rmSync(transcriptFile(home, first.sessionId));
    const second = say('hello again');
    expect(second).toMatchObject({
      status: 'replied',
      isNewSession: true,
      reset: { previousSessionId: first.sessionId },
      notices: [expect.any(String)],
    });
    expect(home.run(['sessions', 'show', 'main', '--json']).json().settings.model).toEqual({
      value: 'm',
      source: 'session',
    });
    expect(say('and on')).toMatchObject({ sessionId: second.sessionId, notices: [], reset: null });
  });

  it('everything of an agent: the next message begins anew', () => {
    withSession({});
    say('hello');
    fs.rmSync(home.path('agents'), { recursive: true });
    expect(say('hello again')).toMatchObject({ status: 'replied', isNewSession: true });
    expect(
      modes(home.path('agents')).every(({ mode, isFolder }) => mode === (isFolder ? '700' : '600')),
    ).toBe(true);
  });
});
