import fs from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Home, list, type Outcome, withRunner } from './claw.ts';
import { type Gate, gated, inbox, lives, undelivered, until } from './support.ts';

/** Several starts of claw each, on a machine that may be busy. */
const PATIENT = 120_000;

let home: Home;
let gate: Gate;
afterEach(() => home.cleanUp());

type Document = any;

const ANNA = ['--channel', 'telegram', '--from', '1'];
const inGroup = (from: string) => ['--channel', 'telegram', '--group=-100', '--from', from, '--mentioned'];

/** A home whose agent waits until the gate is opened. `telegram:1` owns it. */
function open(config: object = {}, runner: object = {}): void {
  home = new Home();
  gate = gated(home, { owners: ['telegram:1'], ...config }, runner);
  gate.close();
}

/** Starts a call whose agent then waits behind the gate. */
async function busy(...args: string[]): Promise<{ pid: number; agent: number; done: Promise<Outcome> }> {
  const { child, done } = home.start(['ingest', '--json', ...(args.length > 0 ? args : [...ANNA, 'first'])]);
  await gate.begun();
  return { pid: child.pid!, agent: gate.runs()[0]!.pid, done };
}

const waiting = () =>
  list(home.path('pending', 'main')).filter(name => name.endsWith('.json') && !name.startsWith('.')).length;

/** Starts calls one by one, each as soon as the one before stands in line. */
async function inLine(texts: string[], from = ANNA): Promise<Promise<Outcome>[]> {
  const before = waiting();
  const calls: Promise<Outcome>[] = [];
  for (const text of texts) {
    calls.push(home.start(['ingest', '--json', ...from, '--id', text, text]).done);
    await until(`${text} is in line`, () => waiting() === before + calls.length);
  }
  return calls;
}

const run = (text: string, from = ANNA): Document => {
  const ended = home.run(['ingest', '--json', ...from, text]);
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  return ended.json();
};

const entries = () => [...home.transcripts().values()].flat();
const commands = () => entries().filter(entry => entry.type === 'command');
const ends = () => entries().filter(entry => entry.type === 'turn_end');
const setting = (name: string): Document =>
  home.run(['sessions', 'show', 'main', '--json']).json().settings[name];

/** Lets everything that is left to do be done. */
async function finish(...calls: Promise<Outcome>[]): Promise<Document[]> {
  gate.open();
  const outcomes = await Promise.all(calls);
  home.run(['tick']);
  expect(waiting()).toBe(0);
  expect(gate.overlaps()).toEqual([]);
  return outcomes.map(outcome => outcome.json());
}

describe('/stop', { timeout: PATIENT }, () => {
  it('of an owner ends the running turn at once, and only that', async () => {
    open();
    const first = await busy();
    const [second] = await inLine(['second']);
    expect(run('/stop', ['--channel', 'cli']).reply.text).toBe('Stopped.');
    expect(lives(first.agent)).toBe(false);
    expect((await first.done).json()).toMatchObject({ status: 'silent', reason: 'stopped' });
    expect(ends()).toMatchObject([{ status: 'stopped' }]);
    const [answer] = await finish(second!);
    expect(answer).toMatchObject({ status: 'replied', reply: { text: 'second' } });
    expect(gate.prompts()).toEqual(['first', 'second']);
    expect(commands()).toMatchObject([{ text: '/stop', reply: 'Stopped.' }]);
    expect(inbox(home)).toEqual([]);
    expect(undelivered(home)).toEqual([]);
  });

  it('of who asked for the turn ends it, of another member of the group it does not, and he is told', async () => {
    open();
    const first = await busy(...inGroup('7'), 'first');
    expect(run('/stop', inGroup('8')).reply.text).toMatch(/Only an owner, or who asked for it/);
    expect(lives(first.agent)).toBe(true);
    expect(ends()).toEqual([]);
    expect(run('/stop', inGroup('7')).reply.text).toBe('Stopped.');
    expect(lives(first.agent)).toBe(false);
    expect((await first.done).json()).toMatchObject({ status: 'silent', reason: 'stopped' });
    await finish();
    expect(gate.runs()).toHaveLength(1);
  });

  it('of who asked for the turn ends it too when his message is tried again', async () => {
    const dora = inGroup('4');
    home = new Home(withRunner({ command: '/bin/sh', args: ['-c', 'exit 3'] }));
    expect(home.run(['ingest', ...dora, '--id', 'm1', 'hello']).status).toBe(69);
    gate = gated(home);
    gate.close();
    const again = home.start(['ingest', '--json', ...dora, '--id', 'm1', 'hello']);
    await gate.begun();
    expect(run('/stop', dora).reply.text).toBe('Stopped.');
    expect((await again.done).json()).toMatchObject({ status: 'silent', reason: 'stopped' });
  });

  it('of an owner ends the turn of another', async () => {
    open();
    const first = await busy(...inGroup('7'), 'first');
    expect(run('/stop', inGroup('1')).reply.text).toBe('Stopped.');
    expect((await first.done).json()).toMatchObject({ status: 'silent', reason: 'stopped' });
    await finish();
  });

  it('does not reach another session', async () => {
    open();
    const first = await busy(...inGroup('1'), 'first');
    expect(run('/stop').reply.text).toBe('Nothing is running.');
    expect(lives(first.agent)).toBe(true);
    const [answer] = await finish(first.done);
    expect(answer).toMatchObject({ status: 'replied' });
  });

  it('ends a turn whose claw was killed; it is not started again', async () => {
    open();
    const first = await busy();
    process.kill(first.pid, 'SIGKILL');
    await first.done;
    expect(run('/stop')).toMatchObject({ status: 'command', reply: { text: 'Stopped.' } });
    expect(lives(first.agent)).toBe(false);
    expect(ends()).toMatchObject([{ status: 'stopped' }]);
    gate.open();
    home.run(['tick']);
    expect(run('second').reply.text).toBe('second');
    expect(gate.prompts()).toEqual(['first', 'second']);
    expect(gate.overlaps()).toEqual([]);
  });

  it('of a stranger to the turn lets it be finished when its claw was killed', async () => {
    open();
    const first = await busy(...inGroup('7'), 'first');
    process.kill(first.pid, 'SIGKILL');
    await first.done;
    gate.open();
    expect(run('/stop', inGroup('8')).status).toBe('command');
    expect(gate.prompts()).toEqual(['first', 'first']);
    expect(ends()).toMatchObject([{ status: 'replied' }]);
    expect(undelivered(home)).toMatchObject([{ text: 'first' }]);
  });

  it('waits for nobody: with a dead claw and messages in line it is answered before them', async () => {
    open();
    const first = await busy();
    home.run(['ingest', '--no-wait', ...ANNA, 'second']);
    process.kill(first.pid, 'SIGKILL');
    await first.done;
    const stop = home.start(['ingest', '--json', ...ANNA, '/stop']);
    // It is in the transcript while the turn of the other waits for the gate.
    await gate.begun(2);
    expect(commands()).toMatchObject([{ text: '/stop', reply: 'Stopped.' }]);
    await finish(stop.done);
    expect(gate.prompts()).toEqual(['first', 'second']);
  });

  it('with nothing running says so', () => {
    open();
    expect(run('/stop').reply.text).toBe('Nothing is running.');
    expect(gate.runs()).toEqual([]);
  });

  it('is not undone by the same message being delivered again', async () => {
    open();
    const first = await busy(...ANNA, '--id', 'm1', 'first');
    run('/stop');
    expect((await first.done).status).toBe(0);
    gate.open();
    expect(home.run(['ingest', '--json', ...ANNA, '--id', 'm1', 'first']).json().status).toBe('duplicate');
    expect(gate.runs()).toHaveLength(1);
    expect(home.users()).toHaveLength(1);
  });
});

describe('commands while a turn runs', { timeout: PATIENT }, () => {
  it('are answered at once, hold from the next turn on, and stand in the transcript once', async () => {
    open();
    const first = await busy();
    expect(run('/status').reply.text).toMatch(/Session: agent:main:main/);
    expect(run('/think high').reply.text).toBe('Thinking level: high.');
    expect(run('/model a/b').reply.text).toMatch(/^Model: a\/b/);
    expect(ends()).toEqual([]);
    expect([setting('thinkingLevel'), setting('model')]).toEqual([
      { value: 'high', source: 'session' },
      { value: 'a/b', source: 'session' },
    ]);
    const [answer] = await finish(first.done);
    expect(answer).toMatchObject({ status: 'replied' });
    expect(commands().map(({ text }) => text)).toEqual(['/status', '/think high', '/model a/b']);
    const next = run('second');
    expect(next.status).toBe('replied');
    expect(entries().findLast(entry => entry.type === 'turn')).toMatchObject({
      model: 'a/b',
      settings: { thinkingLevel: 'high' },
    });
    expect(undelivered(home)).toEqual([]);
    expect(inbox(home)).toEqual([]);
  });

  it.each([
    ['sessions', 'patch', 'main', '--set', 'label=mine'],
    ['sessions', 'list'],
    ['sessions', 'list', '--active', '60'],
    ['sessions', 'show', 'main', '--verbose'],
    ['sessions', 'history', 'main'],
    ['sessions', 'search', 'first'],
    ['inbox', 'list'],
    ['status'],
  ])('claw %s %s waits for no turn', async (...args) => {
    open();
    const first = await busy();
    // The agent does not end before its gate opens: what waited for it would never come back.
    expect(home.run([...args, '--json']).status).toBeLessThanOrEqual(args[0] === 'status' ? 1 : 0);
    expect(ends()).toEqual([]);
    await finish(first.done);
  });

  it('do not divide what waits', async () => {
    open();
    const first = await busy();
    const calls = await inLine(['a']);
    run('/status');
    // Its line waits to be written too.
    calls.push(...(await inLine(['b'])));
    await finish(first.done, ...calls);
    expect(gate.prompts()).toEqual(['first', 'a\n\nb']);
  });

  it('whose answer nobody read: it waits in delivery list, and the setting holds', async () => {
    open();
    const first = await busy();
    const { child, done } = home.start(['ingest', ...ANNA, '/think high']);
    child.stdout!.destroy();
    expect((await done).status).toBe(0);
    expect(setting('thinkingLevel').value).toBe('high');
    await finish(first.done);
    expect(commands()).toMatchObject([{ text: '/think high' }]);
    expect(undelivered(home)).toMatchObject([{ text: 'Thinking level: high.' }]);
  });

  it('do not come back when they were taken back before their line was written', async () => {
    open();
    const first = await busy();
    run('/think high');
    expect(home.run(['sessions', 'patch', 'main', '--unset', 'thinkingLevel']).status).toBe(0);
    await finish(first.done);
    expect(commands()).toHaveLength(1);
    expect(setting('thinkingLevel')).toMatchObject({ value: null, source: 'default' });
  });

  it('whose process was killed: done once, and told once', async () => {
    open();
    const first = await busy();
    const { child, done } = home.start(['ingest', ...ANNA, '/think high']);
    await until('it is accepted', () => waiting() === 1);
    child.kill('SIGKILL');
    const { stdout } = await done;
    await finish(first.done);
    expect(setting('thinkingLevel')).toEqual({ value: 'high', source: 'session' });
    expect(commands()).toMatchObject([{ text: '/think high', reply: 'Thinking level: high.' }]);
    const told = undelivered(home).map(({ text }) => text);
    // Printed in the last moment it may be told again; never not at all.
    expect([stdout, ...told].join('')).toContain('Thinking level: high.');
    expect(told.length).toBeLessThanOrEqual(1);
    expect(run('second').status).toBe('replied');
    expect(commands()).toHaveLength(1);
  });

  it('the same one again, by its id: answered with the first result, kept once', async () => {
    open();
    const first = await busy();
    const send = (text: string) => home.run(['ingest', '--json', ...ANNA, '--id', 'c1', text]).json();
    expect(send('/think high').status).toBe('command');
    await finish(first.done);
    expect(send('/think high').status).toBe('duplicate');
    expect(commands()).toHaveLength(1);
  });
});

describe('the same command again in a busy session', { timeout: PATIENT }, () => {
  it('is the same command: one answer, one line, and one delivery', async () => {
    const send = { command: '/bin/sh', args: ['-c', 'echo "$(cat)" >> "$HOME/sent"'] };
    open({ channels: { telegram: { send } } });
    const first = await busy();
    const again = () =>
      home.run(['ingest', '--json', '--deliver', ...ANNA, '--id', 'c1', '/think high']).json();
    expect(again()).toMatchObject({ status: 'command', reply: { text: 'Thinking level: high.' } });
    expect(again()).toMatchObject({ status: 'duplicate', reply: { text: 'Thinking level: high.' } });
    await finish(first.done);
    expect(again().status).toBe('duplicate');
    expect(fs.readFileSync(`${home.folder}/sent`, 'utf8')).toBe('Thinking level: high.\n');
    expect(commands()).toHaveLength(1);
  });
});

describe('queue mode interrupt', { timeout: PATIENT }, () => {
  it('ends the running turn; the next one knows of both, and never runs beside it', async () => {
    open({ messages: { queue: { mode: 'interrupt' } } }, { context: 'claw' });
    const first = await busy(...ANNA, '--id', 'm1', 'the first question');
    const second = home.start(['ingest', '--json', ...ANNA, '--id', 'm2', 'the second one']);
    await gate.begun(2);
    expect(lives(first.agent)).toBe(false);
    expect((await first.done).json()).toMatchObject({
      status: 'queued',
      messageId: 'm1',
      answeredBy: 'm2',
      reply: null,
    });
    const [answer] = await finish(second.done);
    expect(answer).toMatchObject({ status: 'replied', messageId: 'm2' });
    expect(gate.prompts()[1]).toContain('the first question');
    expect(gate.prompts()[1]).toMatch(/the second one$/);
    expect(home.users().map(entry => entry.id)).toEqual(['m1', 'm2']);
    expect(inbox(home)).toEqual([]);
    expect(undelivered(home)).toEqual([]);
  });

  it('with --no-wait too', async () => {
    open({ messages: { queue: { mode: 'interrupt' } } });
    const first = await busy();
    expect(home.run(['ingest', '--json', '--no-wait', ...ANNA, 'second']).json().status).toBe('queued');
    await gate.begun(2);
    expect(lives(first.agent)).toBe(false);
    gate.open();
    await first.done;
    home.run(['tick']);
    expect(gate.prompts()[1]).toContain('second');
    expect(undelivered(home)).toMatchObject([{ text: expect.stringContaining('second') }]);
    expect(gate.overlaps()).toEqual([]);
  });

  it('does not let an agent end a turn, its own or another', async () => {
    open({ messages: { queue: { mode: 'interrupt' } } });
    const first = await busy();
    for (const key of ['agent:main:main', 'agent:main:cron:nightly']) {
      const env = { CLAW_RUN_ID: 'r1', CLAW_AGENT_ID: 'main', CLAW_SESSION_KEY: key, CLAW_HOPS: '1' };
      home.run(['ingest', '--no-wait', 'a note'], { env });
      home.run(['sessions', 'send', 'main', 'a note', '--reply', 'skip'], { env });
    }
    await finish(first.done);
    expect(ends().map(({ status }) => status)).not.toContain('stopped');
    expect((await first.done).json()).toMatchObject({ status: 'replied', reply: { text: 'first' } });
  });

  it('does not let group chatter that is not answered interrupt', async () => {
    open({ messages: { queue: { mode: 'interrupt' } } });
    const first = await busy(...inGroup('1'), 'first');
    const chatter = home.start(['ingest', '--json', ...inGroup('8').slice(0, -1), 'just talking']);
    await until('it is in line', () => waiting() === 1);
    expect(lives(first.agent)).toBe(true);
    const [answer, recorded] = await finish(first.done, chatter.done);
    expect([answer.status, recorded.status]).toEqual(['replied', 'recorded']);
  });

  it('set by /queue holds from then on', async () => {
    open();
    const first = await busy();
    expect(run('/queue interrupt').reply.text).toMatch(/interrupt/);
    const second = home.start(['ingest', '--json', ...ANNA, 'second']);
    await gate.begun(2);
    expect(lives(first.agent)).toBe(false);
    await finish(first.done, second.done);
  });
});

describe('debounce', { timeout: PATIENT }, () => {
  it('waits for quiet before a turn', () => {
    open({ messages: { queue: { debounceMs: 700 } } });
    gate.open();
    expect(run('hello')).toMatchObject({ status: 'replied', reply: { text: 'hello' } });
    const [user] = home.users();
    const turn = entries().find(entry => entry.type === 'turn');
    expect(turn.timestamp - user.timestamp).toBeGreaterThanOrEqual(700);
  });

  it('does not wait for what came before the clock was set back', () => {
    home = new Home();
    gate = gated(home, { messages: { queue: { debounceMs: 2000 } } });
    home.run(['ingest', '--no-wait', ...ANNA, 'hello']);
    const [file] = list(home.path('pending', 'main')).filter(name => name.endsWith('.json'));
    const place = home.path('pending', 'main', file!);
    const message = JSON.parse(fs.readFileSync(place, 'utf8'));
    fs.writeFileSync(place, JSON.stringify({ ...message, acceptedAt: message.acceptedAt + 3_600_000 }));
    home.run(['tick']);
    expect(gate.prompts()).toEqual(['hello']);
  }, 20_000);

  it('collects what comes meanwhile, and does not wait for more than the cap', async () => {
    // Long enough that only the cap can end it within this test.
    open({ messages: { queue: { debounceMs: 600_000, cap: 3 } } });
    gate.open();
    const calls = await inLine(['a', 'b']);
    expect(gate.runs()).toEqual([]);
    calls.push(home.start(['ingest', '--json', ...ANNA, '--id', 'c', 'c']).done);
    const results = (await Promise.all(calls)).map(call => call.json());
    expect(results.map(({ status, answeredBy }) => [status, answeredBy])).toEqual([
      ['queued', 'c'],
      ['queued', 'c'],
      ['replied', undefined],
    ]);
    expect(gate.prompts()).toEqual(['a\n\nb\n\nc']);
  });

  it('commands are not made to wait', () => {
    open({ messages: { queue: { debounceMs: 600_000 } } });
    expect(run('/think high').status).toBe('command');
    expect(run('/new').status).toBe('command');
  });
});

describe('a full queue', { timeout: PATIENT }, () => {
  const full = (drop: string) => open({ messages: { queue: { cap: 2, drop } } });
  const TEXTS = ['a1', 'b2', 'c3', 'd4', 'e5'];

  it.each([
    ['old', ['a1', 'b2', 'c3'], ['d4', 'e5']],
    ['new', ['c3', 'd4', 'e5'], ['a1', 'b2']],
    ['summarize', ['a1', 'b2', 'c3'], ['d4', 'e5']],
  ] as const)(
    'drop %s: every caller is told, every text is kept, nothing else is lost (#16771)',
    async (drop, dropped, kept) => {
      full(drop);
      const first = await busy();
      const calls = await inLine(TEXTS);
      const [, ...results] = await finish(first.done, ...calls);
      for (const [index, text] of TEXTS.entries()) {
        const isDropped = (dropped as readonly string[]).includes(text);
        const isLast = text === kept.at(-1);
        expect(results[index]).toMatchObject(
          isDropped
            ? { status: 'recorded', reply: null, reason: expect.stringMatching(/inbox list/) }
            : isLast
              ? { status: 'replied' }
              : { status: 'queued', answeredBy: kept.at(-1) },
        );
      }
      expect(inbox(home).map(({ state, text }) => [state, text])).toEqual(
        dropped.map(text => ['dropped', text]),
      );
      expect(
        home
          .users()
          .map(entry => entry.message.content)
          .sort(),
      ).toEqual(['first', ...TEXTS].sort());
      const prompt = gate.prompts()[1]!;
      expect(gate.prompts()).toHaveLength(2);
      if (drop === 'summarize') {
        expect(prompt).toMatch(/3 earlier messages were left out/);
        for (const text of dropped) expect(prompt).toContain(text);
        expect(prompt.endsWith(kept.join('\n\n'))).toBe(true);
      } else expect(prompt).toBe(kept.join('\n\n'));
      expect(undelivered(home)).toEqual([]);
    },
  );

  it('a session that is to be told of the answer is told that there is none', async () => {
    open({ messages: { queue: { cap: 1, drop: 'new' } } });
    const first = await busy();
    for (const name of ['a', 'b', 'c']) {
      const key = `agent:main:cron:${name}`;
      const env = { CLAW_RUN_ID: 'r1', CLAW_AGENT_ID: 'main', CLAW_SESSION_KEY: key, CLAW_HOPS: '1' };
      home.run(['sessions', 'send', 'main', `from ${name}`, '--reply', 'announce'], { env });
    }
    await finish(first.done);
    const events = list(home.path('events', 'main')).map(name =>
      JSON.parse(fs.readFileSync(home.path('events', 'main', name), 'utf8')),
    );
    expect(Object.fromEntries(events.map(({ key, text }) => [key, text]))).toEqual({
      'agent:main:cron:a': 'Session agent:main:main answered: from a',
      'agent:main:cron:b': expect.stringContaining('did not answer: too many messages were waiting'),
      'agent:main:cron:c': expect.stringContaining('did not answer: too many messages were waiting'),
    });
  });

  it('in text mode the caller reads that his message was not answered', async () => {
    full('new');
    const first = await busy();
    const calls = await inLine(['a', 'b']);
    const third = home.start(['ingest', ...ANNA, 'c']);
    await until('c is in line', () => waiting() === 3);
    gate.open();
    expect((await third.done).stdout).toMatch(/Not answered.*inbox list/);
    await finish(first.done, ...calls);
  });

  it('a dropped text is in no later prompt', async () => {
    open({ messages: { queue: { cap: 1, drop: 'old' } } }, { context: 'claw' });
    const first = await busy();
    const calls = await inLine(['lost-text', 'kept-text']);
    await finish(first.done, ...calls);
    run('and on');
    expect(gate.prompts().at(-1)).toContain('kept-text');
    expect(gate.prompts().join()).not.toContain('lost-text');
  });

  it('commands are no load: /status and /new behind a full queue are answered', async () => {
    full('new');
    const first = await busy();
    const calls = await inLine(['a', 'b']);
    calls.push(...(await inLine(['/new'])));
    expect(run('/status').status).toBe('command');
    const results = await finish(first.done, ...calls);
    expect(results.map(({ status }) => status)).toEqual(['replied', 'queued', 'replied', 'command']);
    expect(inbox(home)).toEqual([]);
  });

  it('25 messages at a cap of 20: 20 are answered, 5 are reported and kept (#16771)', async () => {
    open({ messages: { queue: { cap: 20, drop: 'old' } } });
    const first = await busy();
    const texts = Array.from({ length: 25 }, (_, number) => `message-${String(number).padStart(2, '0')}`);
    for (const text of texts) home.run(['ingest', '--no-wait', ...ANNA, '--id', text, text]);
    expect(waiting()).toBe(25);
    await finish(first.done);
    expect(gate.prompts()[1]).toBe(texts.slice(5).join('\n\n'));
    expect(inbox(home).map(({ state, text }) => [state, text])).toEqual(
      texts.slice(0, 5).map(text => ['dropped', text]),
    );
    const told = undelivered(home);
    expect(told.filter(({ text }) => /Not answered/.test(text)).map(({ messageId }) => messageId)).toEqual(
      texts.slice(0, 5),
    );
    expect(told).toHaveLength(6);
    expect(home.users()).toHaveLength(26);
  });

  it('messages dropped while their claw is killed are dropped once', async () => {
    full('old');
    const first = await busy();
    for (const text of TEXTS) home.run(['ingest', '--no-wait', ...ANNA, '--id', text, text]);
    process.kill(first.pid, 'SIGKILL');
    await first.done;
    gate.open();
    home.run(['tick']);
    home.run(['tick']);
    expect(waiting()).toBe(0);
    expect(gate.prompts()).toEqual(['first', 'first', 'd4\n\ne5']);
    expect(inbox(home).map(({ text }) => text)).toEqual(['a1', 'b2', 'c3']);
    expect(home.users()).toHaveLength(6);
  });
});

describe('the settings of /queue', { timeout: PATIENT }, () => {
  it('beat the config: one turn each, until they are taken back', async () => {
    open({ messages: { queue: { mode: 'collect', cap: 1 } } });
    run('/queue followup cap:5');
    const first = await busy();
    const calls = await inLine(['a', 'b', 'c']);
    const results = await finish(first.done, ...calls);
    expect(results.map(({ reply }) => reply.text)).toEqual(['first', 'a', 'b', 'c']);
    expect(gate.prompts()).toEqual(['first', 'a', 'b', 'c']);
    run('/queue reset');
    expect(setting('queueMode')).toEqual({ value: 'collect', source: 'defaults' });
    expect(setting('queueCap')).toEqual({ value: 1, source: 'defaults' });
  });

  it('given while messages wait, they hold for those', async () => {
    open({ messages: { queue: { mode: 'followup' } } });
    const first = await busy();
    const calls = await inLine(['a', 'b']);
    run('/queue collect');
    await finish(first.done, ...calls);
    expect(gate.prompts()).toEqual(['first', 'a\n\nb']);
  });
});
