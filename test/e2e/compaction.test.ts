/** Compaction and the saving of memory, end to end: real agents with a real limit. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { longTalk } from '../faults/long-talk.ts';
import { Home } from './claw.ts';
import { program, until } from './support.ts';

const homes: Home[] = [];
afterEach(() => {
  for (const home of homes.splice(0)) home.cleanUp();
});

interface Start {
  kind: 'turn' | 'summary' | 'flush';
  tokens: number;
  prompt: string;
}

/** A home whose agent can read `window` tokens (of four characters), and notes each start. */
class Talk {
  readonly home = new Home();
  readonly note = path.join(this.home.folder, 'starts');

  constructor(
    readonly window = 2000,
    compaction: object = {},
    rest: { limit?: number; runner?: object } = {},
  ) {
    homes.push(this.home);
    const { limit = window, runner = {} } = rest;
    this.home.config({
      agents: { defaults: { runner: 'agent', contextTokens: window, compaction } },
      runners: {
        agent: { command: program('reader.mjs'), args: [this.note, String(limit)], ...runner },
      },
      session: { reset: { mode: 'off' } },
    });
  }

  mode(words: string): void {
    fs.writeFileSync(`${this.note}.mode`, words);
  }

  /** One message of about `tokens` tokens. */
  say(at: number, tokens = 100): any {
    return this.home.run(['ingest', '--json', this.text(at, tokens)]).json();
  }

  text(at: number, tokens: number): string {
    return `fact-${at} ${'word '.repeat(Math.ceil((tokens * 4) / 5))}`.trim();
  }

  starts(kind?: Start['kind']): Start[] {
    if (!fs.existsSync(this.note)) return [];
    const all = fs
      .readFileSync(this.note, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as Start);
    return kind ? all.filter(start => start.kind === kind) : all;
  }

  forget(): void {
    fs.rmSync(this.note, { force: true });
  }

  entries(type?: string): any[] {
    const all = [...this.home.transcripts().values()].flat();
    return type ? all.filter(entry => entry.type === type) : all;
  }

  show(): any {
    return this.home.run(['sessions', 'show', 'main', '--json']).json();
  }

  /** Bytes of transcripts and records. */
  bytes(): string {
    const folder = this.home.path('agents', 'main', 'sessions');
    const files = (fs.readdirSync(folder, { recursive: true }) as string[]).sort();
    return files
      .map(name => path.join(folder, name))
      .filter(file => fs.statSync(file).isFile())
      .map(file => `${file}\n${fs.readFileSync(file, 'utf8')}`)
      .join('\n');
  }
}

describe('before a turn that would not fit', () => {
  test('memory is saved, the older turns are summarised, and the turn is answered: one start of each (#66058)', () => {
    const talk = new Talk(2000, { keepRecentTurns: 3 });
    talk.mode('keep');
    for (let at = 1; at <= 7; at++) talk.say(at, 120);
    expect(talk.starts().map(start => start.kind)).toEqual(Array(7).fill('turn'));
    talk.forget();
    // The message itself is counted: with what stands there alone nothing would be due (#5457).
    const result = talk.say(8, 500);
    expect(result).toMatchObject({ status: 'replied', reply: { text: 'Noted fact-8.' }, notices: [] });
    expect(talk.starts().map(start => start.kind)).toEqual(['flush', 'summary', 'turn']);
    const [compact] = talk.entries('compact');
    expect(compact).toMatchObject({ reason: 'auto', turns_removed: 4, turnsKept: 3 });
    expect(compact.summary).toContain('fact-4');
    expect(compact.tokensAfter).toBeLessThan(compact.tokensBefore);
    // The last turns go along word for word, question and answer (#15171).
    const { prompt } = talk.starts('turn')[0]!;
    for (const kept of [5, 6, 7]) {
      expect(prompt).toContain(`\n${talk.text(kept, 120)}\n`);
      expect(prompt).toContain(`\nNoted fact-${kept}.\n`);
    }
    expect(prompt).not.toContain('fact-4 word');
    expect(prompt.indexOf('[Summary of this conversation')).toBeLessThan(prompt.indexOf('\nfact-5 word'));
    // Nothing was taken out of the transcript, and it is the same session.
    expect(talk.home.users()).toHaveLength(8);
    expect(talk.home.transcripts().size).toBe(1);
  });

  test('memory is saved once between two compactions, also when there was none before (#47143)', () => {
    const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { softThresholdTokens: 700 } });
    for (let at = 1; at <= 24; at++) expect(talk.say(at, 110).status).toBe('replied');
    const order = talk.entries().filter(entry => ['memory_flush', 'compact'].includes(entry.type));
    const types = order.map(entry => entry.type);
    expect(types.length).toBeGreaterThanOrEqual(4);
    expect(types.filter((type, at) => type === types[at - 1])).toEqual([]);
    expect(types[0]).toBe('memory_flush');
    expect(Math.max(...talk.starts().map(start => start.tokens))).toBeLessThanOrEqual(2000);
  });

  test('what the agent says while memory is saved is a note, never a reply; a failure is in no chat (#85220)', () => {
    const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { softThresholdTokens: 900 } });
    talk.mode('flush-says');
    for (let at = 1; at <= 5; at++) talk.say(at, 140);
    expect(talk.entries('memory_flush')).toMatchObject([{ result: 'saved' }]);
    const folder = talk.home.path('agents', 'main', 'workspace', 'memory');
    const [day] = fs.readdirSync(folder);
    expect(day).toMatch(/^\d{4}-\d\d-\d\d\.md$/);
    expect(fs.readFileSync(path.join(folder, day!), 'utf8')).toContain('The person likes tea.');
    expect(talk.home.replies().map(entry => entry.message.content)).toEqual(
      [1, 2, 3, 4, 5].map(at => `Noted fact-${at}.`),
    );

    const other = new Talk(2000, { memoryFlush: { softThresholdTokens: 900 } });
    other.mode('flush-fails');
    const results = [1, 2, 3, 4, 5, 6].map(at => other.say(at, 140));
    expect(results.every(result => result.status === 'replied' && result.notices.length === 0)).toBe(true);
    expect(other.entries('memory_flush')).toMatchObject([{ result: 'failed' }]);
    expect(other.show().memoryFlush).toMatchObject({ result: 'failed', due: false, reason: 'saved-before' });
  });

  test.each(['flush-says', 'flush-fails'])(
    '%s: a channel is sent the replies and nothing of the saving (#85220)',
    mode => {
      const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { softThresholdTokens: 900 } });
      const sent = path.join(talk.home.folder, 'sent.jsonl');
      const config = JSON.parse(fs.readFileSync(talk.home.path('claw.json'), 'utf8'));
      talk.home.config({
        ...config,
        channels: { telegram: { allowFrom: ['1'], send: { file: sent } } },
      });
      talk.mode(mode);
      for (let at = 1; at <= 5; at++) {
        const from = ['--channel', 'telegram', '--from', '1', '--no-wait'];
        expect(talk.home.run(['ingest', ...from, talk.text(at, 140)]).status).toBe(0);
        expect(talk.home.run(['tick']).status).toBe(0);
      }
      const result = mode === 'flush-says' ? 'saved' : 'failed';
      expect(talk.entries('memory_flush')).toMatchObject([{ result }]);
      const lines = fs.readFileSync(sent, 'utf8').trim().split('\n');
      expect(lines.map(line => JSON.parse(line).text)).toEqual(
        [1, 2, 3, 4, 5].map(at => `Noted fact-${at}.`),
      );
      expect(talk.home.run(['delivery', 'list', '--json']).json().deliveries).toEqual([]);
    },
  );

  test('what is said in a group is not saved among the notes of the owner', () => {
    const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { softThresholdTokens: 900 } });
    const group = ['--channel', 'telegram', '--chat', 'group', '--group', 'g', '--from', '1', '--mentioned'];
    for (let at = 1; at <= 12; at++) {
      const text = `fact-${at} ${'word '.repeat(110)}`;
      const run = talk.home.run(['ingest', '--json', ...group, text]);
      expect(run.json().status).toBe('replied');
    }
    expect(talk.starts('flush')).toEqual([]);
    expect(talk.entries('compact')).not.toEqual([]);
    const shown = talk.home.run(['sessions', 'show', 'agent:main:telegram:group:g', '--json']).json();
    expect(shown.memoryFlush).toMatchObject({ lastAt: null, due: false, reason: 'not-private' });
  });

  test('sessions show says how saving stands, and why it is not due (#41356)', () => {
    const talk = new Talk(2000);
    talk.say(1, 10);
    expect(talk.show().memoryFlush).toEqual({
      lastAt: null,
      result: null,
      tokens: expect.any(Number),
      threshold: 1200,
      due: false,
      reason: 'below-threshold',
    });
    const off = new Talk(2000, { memoryFlush: { enabled: false } });
    off.say(1, 10);
    expect(off.show().memoryFlush).toMatchObject({ threshold: null, reason: 'off' });
  });

  test('sessions show says when memory was saved, at what size, and that it is not due again (#63542, #99958)', () => {
    const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { softThresholdTokens: 900 } });
    talk.mode('flush-says');
    for (let at = 1; talk.entries('memory_flush').length === 0; at++) {
      expect(at).toBeLessThan(10);
      talk.say(at, 140);
    }
    const [flush] = talk.entries('memory_flush');
    const shown = talk.show().memoryFlush;
    expect(shown).toEqual({
      lastAt: new Date(flush.timestamp).toISOString(),
      result: 'saved',
      tokens: expect.any(Number),
      threshold: flush.threshold,
      due: false,
      reason: 'saved-before',
    });
    expect(shown.tokens).toBeGreaterThan(shown.threshold);
    expect(talk.home.run(['sessions', 'show', 'main']).stdout).toMatch(/saved/);
  });

  test('mode manual summarises nothing unasked and says so, not at every message', () => {
    const talk = new Talk(2000, { mode: 'manual', keepRecentTurns: 2 });
    const results = Array.from({ length: 11 }, (_, at) => talk.say(at + 1, 150));
    expect(talk.starts().every(start => start.kind === 'turn' && start.tokens <= 2000)).toBe(true);
    const told = results.flatMap(result => result.notices);
    expect(told[0]).toContain('/compact');
    expect(told.length).toBeLessThan(4);
    const reply = talk.home.run(['ingest', '--json', '/compact']).json().reply.text;
    expect(reply).toMatch(/^Compacted: 9 turns, 2\.\dk -> \d+ tokens \(estimated\)\.$/);
  });

  test('mode prune leaves the oldest out, asks nobody, and keeps a summary that was there', () => {
    const talk = new Talk(2000, { mode: 'prune' });
    for (let at = 1; at <= 12; at++) talk.say(at, 150);
    expect(talk.starts().every(start => start.kind === 'turn' && start.tokens <= 2000)).toBe(true);
    const [compact] = talk.entries('compact');
    expect(compact).toMatchObject({ reason: 'prune', turns_removed: expect.any(Number) });
    expect(compact.summary).toBeUndefined();
    expect(talk.home.users()).toHaveLength(12);
  });
});

describe('a summary that will not do', () => {
  test.each(['empty', 'skeleton', 'unavailable', 'longer', 'crash'])(
    '%s: /compact says so and nothing changes, not a byte (#122617, #120663, #5224)',
    mode => {
      const talk = new Talk(2000, { keepRecentTurns: 2 });
      for (let at = 1; at <= 4; at++) talk.say(at, 100);
      talk.mode(mode);
      const before = talk.bytes();
      const run = talk.home.run(['sessions', 'compact', 'main', '--json']);
      expect(run.status).toBe(69);
      expect(JSON.parse(run.stderr.split('\n').filter(Boolean).at(-1)!).error.code).toBe('compaction-failed');
      expect(talk.bytes()).toBe(before);
      expect(talk.starts('summary')).toHaveLength(2);
      const said = talk.home.run(['ingest', '--json', '/compact']).json();
      expect(said.reply.text).toMatch(/^Could not compact: .* Nothing was changed\.$/s);
      expect(talk.entries('compact')).toEqual([]);
    },
  );

  test('the second attempt has only the newest part, and its answer counts', () => {
    const talk = new Talk(2000, { keepRecentTurns: 2 });
    for (let at = 1; at <= 8; at++) talk.say(at, 80);
    talk.mode('once-blank keep');
    const report = talk.home.run(['sessions', 'compact', 'main', '--json']).json();
    expect(report).toMatchObject({ changed: true, turnsRemoved: 6, turnsKept: 2 });
    const [first, second] = talk.starts('summary');
    expect(first!.prompt).toContain('fact-1 word');
    expect(second!.prompt).not.toContain('fact-1 word');
    expect(second!.prompt).toContain('fact-6 word');
    expect(talk.entries('compact')[0].turnsUnread).toBeGreaterThan(0);
  });

  test('before a turn: the turn is answered with what fits, the person is told, and not asked for it at each message', () => {
    const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { enabled: false } });
    talk.mode('empty');
    const results = Array.from({ length: 14 }, (_, at) => talk.say(at + 1, 120));
    expect(results.map(result => result.status)).toEqual(Array(14).fill('replied'));
    expect(talk.entries('compact')).toEqual([]);
    const told = results.flatMap(result => result.notices);
    expect(told[0]).toContain('/compact tries again');
    expect(told.length).toBeLessThan(5);
    expect(talk.starts('summary').length).toBe(told.length * 2);
    expect(Math.max(...talk.starts('turn').map(start => start.tokens))).toBeLessThanOrEqual(2000);
    talk.mode('');
    expect(talk.home.run(['ingest', '/compact']).stdout).toContain('Compacted: ');
  });
});

describe('a summary that does not come', () => {
  const fill = (talk: Talk) => {
    for (let at = 1; at <= 8; at++) talk.say(at, 140);
    talk.mode('hang');
    return ['ingest', '--json', `fact-9 ${'word '.repeat(300)}`];
  };

  test('is waited for no longer than the agent may take; the turn is answered', () => {
    const runner = { timeoutSeconds: 1, killGraceSeconds: 0 };
    const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { enabled: false } }, { runner });
    const result = talk.home.run(fill(talk)).json();
    expect(result).toMatchObject({ status: 'replied', reply: { text: 'Noted fact-9.' } });
    expect(result.notices).toHaveLength(1);
    expect(talk.entries('compact')).toEqual([]);
    expect(talk.entries('turn_end').at(-1).uncompacted.code).toBe('summary-timeout');
  });

  test('is ended by /stop, like the turn it was made for', async () => {
    const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { enabled: false } });
    const { done } = talk.home.start(fill(talk));
    await until('the summary hangs', () => fs.existsSync(`${talk.note}.hangs`));
    expect(talk.home.run(['ingest', '--json', '/stop']).json().reply.text).toBe('Stopped.');
    expect((await done).json()).toMatchObject({ status: 'silent', reason: 'stopped' });
    expect(talk.starts().at(-1)!.kind).toBe('summary');
    expect(talk.entries('compact')).toEqual([]);
  });

  test('ends with claw: the turn is open, and the next tick answers it', async () => {
    const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { enabled: false } });
    const { child, done } = talk.home.start(fill(talk));
    await until('the summary hangs', () => fs.existsSync(`${talk.note}.hangs`));
    child.kill('SIGTERM');
    expect((await done).json().status).toBe('queued');
    expect(talk.home.run(['tick']).status).toBe(0);
    expect(talk.home.replies().at(-1).message.content).toBe('Noted fact-9.');
    expect(talk.home.users()).toHaveLength(9);
  });
});

describe('whoever dies while a summary is made', () => {
  test('leaves the session as it was; the next message is answered, and so is the one that waited (#14772)', async () => {
    const talk = new Talk(2000, { keepRecentTurns: 2, memoryFlush: { enabled: false } });
    for (let at = 1; at <= 8; at++) talk.say(at, 140);
    const [name] = talk.home.transcripts().keys();
    const file = talk.home.path('agents', 'main', 'sessions', name!);
    const before = fs.readFileSync(file);
    talk.mode('hang');
    const { child, done } = talk.home.start(['ingest', '--json', `fact-10 ${'word '.repeat(300)}`]);
    await until('the summary hangs', () => fs.existsSync(`${talk.note}.hangs`));
    child.kill('SIGKILL');
    await done;
    expect(talk.entries('compact')).toEqual([]);
    expect([...talk.home.transcripts().keys()]).toEqual([name]);
    expect(fs.readFileSync(file).subarray(0, before.length)).toEqual(before);
    // It hangs still: a turn that is begun again is not held up by it, and knows what was said before.
    talk.mode('keep');
    expect(talk.say(11).status).toBe('replied');
    for (const { prompt } of talk.starts('turn').slice(-2)) {
      expect(prompt).toContain(`\n${talk.text(8, 140)}\n`);
      expect(prompt).toContain('\nNoted fact-8.\n');
    }
    const answers = talk.home.replies().map(entry => entry.message.content);
    expect(answers).toContain('Noted fact-10.');
    expect(answers).toContain('Noted fact-11.');
    expect(talk.home.users().filter(user => user.message.content.startsWith('fact-10'))).toHaveLength(1);
  });
});

describe('an agent that says it was given too much', () => {
  test.each([
    ['as agents say it', {}],
    ['by a sign of its runner', { signs: { contextOverflow: ['prompt is too long'] } }],
  ])('%s: is asked again behind a summary; each start is recorded', (_, runner) => {
    // The configuration believes in a window that the agent does not have.
    const talk = new Talk(100_000, { keepRecentTurns: 4 }, { limit: 1500, runner });
    for (let at = 1; at <= 16; at++) expect(talk.say(at, 120).status, `turn ${at}`).toBe('replied');
    const compacts = talk.entries('compact');
    expect(compacts.length).toBeGreaterThan(0);
    expect(compacts[0].reason).toBe('overflow');
    expect(talk.entries('turn').filter(turn => turn.attempt === 2)).toHaveLength(compacts.length);
    expect(talk.entries('turn_end').every(end => end.status === 'replied')).toBe(true);
  });

  test('fails with the way out where nothing can be left out, after one start', () => {
    const talk = new Talk(100_000, {}, { limit: 200 });
    const result = talk.say(1, 400);
    expect(result).toMatchObject({ status: 'failed', error: { code: 'exit' } });
    expect(result.error.hint).toContain('/compact');
    expect(talk.starts()).toHaveLength(1);
  });
});

describe('by hand', () => {
  test('the place it names is there, and holds every byte of what was summarised (T08 openclaw#111122)', () => {
    const talk = new Talk(100_000, { keepRecentTurns: 1 });
    for (let at = 1; at <= 4; at++) talk.say(at, 60);
    const [name] = talk.home.transcripts().keys();
    const before = fs.readFileSync(talk.home.path('agents', 'main', 'sessions', name!));
    const { changed, transcript } = talk.home.run(['sessions', 'compact', 'main', '--json']).json();
    expect(changed).toBe(true);
    expect(fs.readFileSync(transcript).subarray(0, before.length)).toEqual(before);
    const texts = talk.home.run(['sessions', 'history', 'main', '--json']).json().messages;
    expect(texts.map((each: { text: string }) => each.text)).toEqual(
      [1, 2, 3, 4].flatMap(at => [talk.text(at, 60), `Noted fact-${at}.`]),
    );
    talk.say(5, 60);
    const shown = /Every message stays in (\S+)/.exec(talk.home.run(['sessions', 'compact', 'main']).stdout);
    expect(shown?.[1]).toBe(transcript);
    // By a reset it is archived, under the path that is printed.
    const whole = fs.readFileSync(transcript);
    const { archivePath } = talk.home.run(['sessions', 'reset', 'main', '--json']).json();
    const archived = fs.readFileSync(archivePath);
    expect(archived.subarray(0, whole.length)).toEqual(whole);
    expect(JSON.parse(archived.subarray(whole.length).toString())).toMatchObject({ type: 'reset' });
  });

  test('/compact takes instructions, and is answered with what it came to', () => {
    const talk = new Talk(100_000, { keepRecentTurns: 2 });
    for (let at = 1; at <= 5; at++) talk.say(at, 60);
    talk.mode('keep');
    const result = talk.home.run(['ingest', '--json', '/compact Focus on decisions']).json();
    expect(result).toMatchObject({ status: 'command', isNewSession: false, reset: null });
    expect(result.reply.text).toMatch(/^Compacted: 3 turns, \d+ -> \d+ tokens \(estimated\)\.$/);
    expect(talk.starts('summary')[0]!.prompt).toContain('in particular: Focus on decisions');
    expect(talk.starts('flush')).toEqual([]);
    const { sessionId, compactions, startedAt } = talk.show();
    expect(compactions).toBe(1);
    // A compaction resets nothing, and a second one finds too little.
    expect(talk.home.run(['ingest', '--json', '/compact']).json().reply.text).toBe(
      'Nothing to compact: the newest 2 turns are kept as they are.',
    );
    talk.say(6, 10);
    expect(talk.show()).toMatchObject({ sessionId, startedAt, compactions: 1 });
    expect(talk.home.run(['ingest', '/status']).stdout).toContain('compactions: 1');
    expect(talk.home.run(['ingest', '/context list']).stdout).toMatch(/summary: \d+/);
    expect(talk.home.run(['logs', '--session', 'main']).stdout).toContain('manual: 3 turns removed');
  });

  test('/compact waits for the running turn and is answered behind it', async () => {
    const talk = new Talk(100_000, { keepRecentTurns: 1 });
    for (let at = 1; at <= 3; at++) talk.say(at, 60);
    talk.mode('hang');
    const first = talk.home.start(['ingest', '--json', '/compact']);
    await until('the first is under way', () => fs.existsSync(`${talk.note}.hangs`));
    talk.mode('');
    const second = talk.home.start(['ingest', '--json', '--id', 'm2', '/compact now']);
    const pending = () => fs.readdirSync(talk.home.path('pending'), { recursive: true }).length;
    await until('the second stands in line', () => pending() > 0);
    first.child.kill('SIGKILL');
    await first.done;
    expect((await second.done).json().reply.text).toMatch(/^Compacted: 2 turns/);
  });

  test('sessions.compact by its RPC name is the command', () => {
    const talk = new Talk(100_000, { keepRecentTurns: 1 });
    for (let at = 1; at <= 3; at++) talk.say(at, 60);
    const params = JSON.stringify({ sessionKey: 'main', instructions: 'names' });
    expect(talk.home.run(['call', 'sessions.compact', '--params', params]).json()).toMatchObject({
      sessionKey: 'agent:main:main',
      changed: true,
      turnsRemoved: 2,
      turnsKept: 1,
      summary: expect.stringContaining('fact-2'),
    });
  });

  test('a runner that is not sent the conversation has nothing to compact', () => {
    const talk = new Talk(2000, {}, { runner: { context: 'none' } });
    talk.say(1);
    expect(talk.home.run(['sessions', 'compact', 'main', '--json']).json()).toMatchObject({
      changed: false,
      reason: 'runner agent is not sent the conversation',
    });
    expect(talk.show().memoryFlush.reason).toBe('runner-needs-no-history');
  });
});

describe('an agent whose program keeps the conversation', () => {
  /** The agent of `talk`, or one that keeps its sessions in `folder`; returns its starts. */
  function besideNative(talk: Talk, pick: object = {}, more: object = {}) {
    const folder = path.join(talk.home.folder, 'native');
    fs.mkdirSync(folder);
    const before = JSON.parse(fs.readFileSync(talk.home.path('claw.json'), 'utf8'));
    const native = {
      command: program('native.mjs'),
      args: [folder, '--id', '{{NativeSessionId}}'],
      resumeArgs: [folder, '--resume', '{{NativeSessionId}}'],
      asideArgs: [folder, '--aside'],
      context: 'native',
      output: 'jsonl',
      pick: {
        text: { at: 'text', when: { type: 'reply' } },
        sessionId: { at: 'id', when: { type: 'start' } },
        error: { at: 'message', when: { type: 'error' } },
        ...pick,
      },
      signs: { contextOverflow: ['prompt is too long'], unknownSession: ['No conversation found'] },
      ...more,
    };
    return {
      folder,
      use: (runner: 'agent' | 'native') => {
        const defaults = { ...before.agents.defaults, runner };
        talk.home.config({ ...before, agents: { defaults }, runners: { ...before.runners, native } });
      },
      starts: (): { flag: string; prompt: string }[] =>
        fs
          .readFileSync(path.join(folder, 'starts'), 'utf8')
          .trim()
          .split('\n')
          .map(line => JSON.parse(line)),
    };
  }

  /** Twelve turns through it, more than claw would send. */
  function longTalkWith(talk: Talk) {
    const beside = besideNative(talk);
    beside.use('native');
    for (let at = 1; at <= 12; at++)
      expect(talk.say(at, 200)).toMatchObject({ status: 'replied', notices: [] });
    expect(beside.starts().map(({ flag }) => flag)).toEqual(['--id', ...Array(11).fill('--resume')]);
    expect(talk.entries('compact')).toEqual([]);
    return { ...beside, first: (beside.starts()[0] as { id?: string }).id };
  }
  const native = (talk: Talk) => talk.entries('turn_end').at(-1).native;

  test('is not compacted unasked; where it has become too long, a new session begins with a summary and what is kept', () => {
    const talk = new Talk(2000, { keepRecentTurns: 2 });
    const beside = longTalkWith(talk);
    fs.writeFileSync(path.join(beside.folder, 'mode'), 'too-long');
    expect(talk.say(13, 10)).toMatchObject({ status: 'replied', notices: [] });
    const starts = beside.starts().slice(12);
    expect(starts.map(({ flag }) => flag).join(' ')).toMatch(/^--resume( --aside){1,6} --id$/);
    const again = starts.at(-1);
    expect(again!.prompt).toMatch(
      /\[Summary of this conversation[\s\S]*Talked about fact-[\s\S]*fact-11 word[\s\S]*fact-12 word[\s\S]*fact-13/,
    );
    expect(again!.prompt).not.toContain('fact-10 word');
    expect(again!.prompt.length / 4).toBeLessThan(2000);
    expect(talk.entries('compact')).toMatchObject([{ reason: 'overflow', reseeds: true, turns_removed: 10 }]);
    expect(native(talk)).toMatchObject({
      how: 'seeded',
      reason: 'context-overflow',
      previousId: beside.first,
    });
    expect(talk.entries('turn').at(-1)).toMatchObject({
      attempt: 2,
      again: 1,
      after: { code: 'context-overflow' },
    });
    expect(talk.entries('message').filter(({ message }) => message.role === 'user')).toHaveLength(13);
    const times = talk.entries().map(({ timestamp }) => timestamp);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  test.each([
    ['no summary comes', {}, 'no-summary too-long'],
    ['compaction.mode is manual', { mode: 'manual' }, 'too-long'],
  ])('begins anew with what fits where %s', (_, compaction, mode) => {
    const talk = new Talk(2000, { keepRecentTurns: 2, ...compaction });
    const beside = longTalkWith(talk);
    fs.writeFileSync(path.join(beside.folder, 'mode'), mode);
    expect(talk.say(13, 10)).toMatchObject({
      status: 'replied',
      notices: [expect.stringMatching(/only the newest part.*\/compact/)],
    });
    const last = beside.starts().at(-1)!;
    expect(last.flag).toBe('--id');
    expect(last.prompt).toMatch(/fact-12 word[\s\S]*fact-13/);
    expect(last.prompt).not.toContain('fact-1 word');
    expect(last.prompt.length / 4).toBeLessThan(2000);
    expect(talk.entries('compact')).toEqual([]);
    expect(native(talk)).toMatchObject({ how: 'seeded', reason: 'context-overflow' });
  });

  test('by hand: the next turn begins a session with the summary, and the old one is not gone back to', () => {
    const talk = new Talk(100_000, { keepRecentTurns: 2 });
    const beside = longTalkWith(talk);
    const reply = talk.home.run(['ingest', '--json', '/compact']).json().reply.text;
    expect(reply).toMatch(/^Compacted: 10 turns, /);
    expect(talk.entries('compact')).toMatchObject([{ reason: 'manual', reseeds: true }]);
    talk.say(13, 10);
    const last = beside.starts().at(-1)!;
    expect(last.flag).toBe('--id');
    expect(last.prompt).toMatch(/Talked about fact-1, [\s\S]*fact-12 word[\s\S]*fact-13/);
    expect(last.prompt).not.toContain('fact-10 word');
    expect(native(talk)).toMatchObject({ how: 'seeded', reason: 'compacted', previousId: beside.first });
    talk.say(14, 10);
    expect(beside.starts().at(-1)).toMatchObject({
      flag: '--resume',
      prompt: expect.stringMatching(/^fact-14/),
    });
  });

  test('by hand, with few turns and much that tools printed: a session that begins with those turns', () => {
    const talk = new Talk(100_000, {});
    const beside = besideNative(talk, { inputTokens: 'tokens' });
    beside.use('native');
    fs.writeFileSync(path.join(beside.folder, 'mode'), 'heavy');
    for (const at of [1, 2, 3]) talk.say(at, 200);
    expect(talk.home.run(['sessions', 'compact', 'main', '--json']).json()).toMatchObject({
      changed: true,
      turnsRemoved: 0,
      turnsKept: 3,
    });
    talk.say(4, 10);
    expect(beside.starts().at(-1)!.prompt).toMatch(/fact-1 word[\s\S]*fact-3 word[\s\S]*fact-4/);
    expect(native(talk)).toMatchObject({ how: 'seeded', reason: 'compacted' });
  });

  describe('and has a word for compacting it', () => {
    const pick = {
      compactedFrom: { at: 'before', when: { type: 'compacted' } },
      compactedTo: { at: 'after', when: { type: 'compacted' } },
    };
    function talkTo(more: object = {}) {
      const talk = new Talk(100_000, { keepRecentTurns: 2 });
      const beside = besideNative(talk, pick, { compactPrompt: '/compact', ...more });
      beside.use('native');
      for (const at of [1, 2, 3, 4]) talk.say(at, 50);
      return {
        talk,
        beside,
        mode: (word: string) => fs.writeFileSync(path.join(beside.folder, 'mode'), word),
      };
    }

    test('is sent that, with what shall be kept in mind, and goes on with its session', () => {
      const { talk, beside } = talkTo();
      const said = talk.home.run(['ingest', '--json', '/compact keep the names']).json().reply.text;
      expect(said).toBe("Compacted by the agent's program: 900 -> 90 tokens.");
      expect(beside.starts().at(-1)).toMatchObject({ flag: '--resume', prompt: '/compact keep the names' });
      expect(talk.entries('compact')).toMatchObject([
        { reason: 'manual', byProgram: true, turns_removed: 0, tokensBefore: 900, tokensAfter: 90 },
      ]);
      talk.say(5, 10);
      expect(beside.starts().at(-1)).toMatchObject({
        flag: '--resume',
        prompt: expect.stringMatching(/^fact-5/),
      });
      expect(talk.home.run(['sessions', 'compact', 'main', '--json']).json()).toMatchObject({
        changed: true,
        byProgram: true,
        tokensBefore: 900,
        tokensAfter: 90,
      });
      // What claw would tell a new session is as it was.
      fs.rmSync(beside.folder, { recursive: true });
      fs.mkdirSync(beside.folder);
      talk.say(6, 10);
      expect(beside.starts().at(-1)!.prompt).toMatch(/fact-1 word[\s\S]*fact-4 word[\s\S]*fact-6/);
    });

    test('goes on with the session that it compacted, though that has another id', () => {
      const { talk, beside, mode } = talkTo({ onOtherSession: 'follow' });
      mode('forks-beside');
      talk.home.run(['ingest', '--json', '/compact']);
      for (const at of [5, 6]) {
        talk.say(at, 10);
        expect(beside.starts().at(-1)).toMatchObject({
          flag: '--resume',
          id: expect.stringMatching(/^forked-/),
          prompt: expect.stringMatching(/^fact-/),
        });
      }
    });

    test('that it cannot is told in its words, and nothing changes, not a byte', () => {
      const { talk, mode } = talkTo();
      const before = talk.bytes();
      mode('cannot-compact');
      expect(talk.home.run(['sessions', 'compact', 'main', '--json']).json()).toMatchObject({
        changed: false,
        reason: 'Not enough messages to compact',
      });
      mode('fail');
      const run = talk.home.run(['sessions', 'compact', 'main', '--json']);
      expect(run.status).toBe(69);
      expect(talk.bytes()).toBe(before);
    });

    test('claw compacts what it has where the program has lost its session', () => {
      const { talk, beside } = talkTo();
      for (const name of fs.readdirSync(beside.folder).filter(each => each.startsWith('session-')))
        fs.rmSync(path.join(beside.folder, name));
      expect(talk.home.run(['sessions', 'compact', 'main', '--json']).json()).toMatchObject({
        changed: true,
        byProgram: false,
        turnsRemoved: 2,
      });
      talk.say(5, 10);
      expect(beside.starts().at(-1)).toMatchObject({
        flag: '--id',
        prompt: expect.stringMatching(/Talked about fact-1, fact-2\.[\s\S]*fact-4 word[\s\S]*fact-5/),
      });
    });

    test('its own word never begins a session', () => {
      const { talk, beside } = talkTo();
      const starts = beside.starts().length;
      beside.use('agent');
      talk.say(5, 50);
      beside.use('native');
      talk.home.run(['ingest', '/model other']);
      fs.rmSync(path.join(beside.folder, 'starts'));
      talk.home.run(['ingest', '/new']);
      talk.home.run(['ingest', '--json', '/compact']);
      expect(starts).toBe(4);
      expect(fs.existsSync(path.join(beside.folder, 'starts'))).toBe(false);
    });

    test('what it does unasked is recorded', () => {
      const { talk, mode } = talkTo();
      mode('compacts-itself');
      expect(talk.say(5, 10).status).toBe('replied');
      expect(talk.entries('compact')).toMatchObject([
        { reason: 'auto', byProgram: true, tokensBefore: 800, tokensAfter: 80 },
      ]);
      expect(talk.home.run(['logs', '--session', 'main']).stdout).toContain("auto: by the agent's program");
    });
  });

  test('is asked in its own session to save memory when it reports that it is nearly full; once', () => {
    const talk = new Talk(2000, { keepRecentTurns: 2 });
    const beside = besideNative(talk, { inputTokens: 'tokens' });
    beside.use('native');
    for (let at = 1; at <= 8; at++) expect(talk.say(at, 200)).toMatchObject({ status: 'replied' });
    const asked = beside.starts().filter(({ prompt }) => prompt.includes('Save now what must survive'));
    expect(asked).toHaveLength(1);
    expect(asked[0]!.flag).toBe('--resume');
    const [flush] = talk.entries('memory_flush');
    expect(flush).toMatchObject({ result: 'saved', native: { how: 'resumed' } });
    expect(talk.entries('memory_flush')).toHaveLength(1);
    expect(talk.entries('compact')).toEqual([]);
    expect(talk.show().memoryFlush).toMatchObject({ result: 'saved', due: false, reason: 'saved-before' });
    expect(
      new Set(
        beside
          .starts()
          .slice(1)
          .map(({ flag }) => flag),
      ),
    ).toEqual(new Set(['--resume']));
  });

  test.each([
    ['answers from another session', 'forks-beside', { onOtherSession: 'follow' }, ['--resume']],
    ['has lost its session', 'forgets-beside', {}, ['--resume', '--id']],
  ])('that %s when memory is saved is not told the conversation again', (_, mode, more, flags) => {
    const talk = new Talk(2000, { keepRecentTurns: 2 });
    const beside = besideNative(talk, { inputTokens: 'tokens' }, more);
    beside.use('native');
    fs.writeFileSync(path.join(beside.folder, 'mode'), mode);
    for (let at = 1; at <= 8; at++) expect(talk.say(at, 200)).toMatchObject({ status: 'replied' });
    const starts = beside.starts();
    const saves = starts.filter(({ prompt }) => prompt.includes('Save now what must survive'));
    expect(saves.map(({ flag }) => flag)).toEqual(flags);
    const next = starts[starts.indexOf(saves.at(-1)!) + 1] as { flag: string; id?: string; prompt: string };
    expect(next).toMatchObject({ flag: '--resume', prompt: expect.stringMatching(/^fact-/) });
    expect(next.id).not.toBe((starts[0] as { id?: string }).id);
    expect((starts.at(-1) as { id?: string }).id).toBe(next.id);
  });

  test('is told the summary of what claw compacted before; one that goes on, only of what it has missed', () => {
    const talk = new Talk(100_000, { keepRecentTurns: 1 });
    const beside = besideNative(talk);
    const compact = () => talk.home.run(['sessions', 'compact', 'main', '--json']).json();
    const last = () => beside.starts().at(-1)!;
    for (let at = 1; at <= 4; at++) talk.say(at, 40);
    expect(compact()).toMatchObject({ changed: true, turnsRemoved: 3 });
    beside.use('native');
    talk.say(5, 10);
    expect(last().flag).toBe('--id');
    expect(last().prompt).toMatch(
      /\[Summary of this conversation[\s\S]*Talked about fact-1, fact-2, fact-3\.[\s\S]*fact-4 word[\s\S]*fact-5/,
    );
    expect(last().prompt).not.toContain('fact-3 word');
    talk.say(6, 10);
    expect(last()).toMatchObject({ flag: '--resume', prompt: expect.stringMatching(/^fact-6/) });
    beside.use('agent');
    talk.say(7, 40);
    beside.use('native');
    talk.say(8, 10);
    expect(last().prompt).not.toContain('[Summary of');
    expect(last().prompt).toMatch(/since your last answer[\s\S]*fact-7 word[\s\S]*fact-8/);
    beside.use('agent');
    for (let at = 9; at <= 11; at++) talk.say(at, 40);
    expect(compact()).toMatchObject({ changed: true });
    beside.use('native');
    talk.say(12, 10);
    expect(last().flag).toBe('--resume');
    expect(last().prompt).toMatch(
      /since your last answer[\s\S]*\[Summary of[\s\S]*fact-9[\s\S]*fact-11 word/,
    );
    expect(last().prompt).not.toContain('fact-10 word');
  });
});

test(
  'a conversation of 300 turns through a window of 32,000 tokens (2,000 in the fault battery)',
  () => longTalk(300),
  120_000,
);
