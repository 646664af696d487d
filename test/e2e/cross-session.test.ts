/** Sessions that write to each other: who may, how answers come back, and where it ends. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AGENTS, BIN, Home, withRunner } from './claw.ts';
import { gated, inbox, program } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

const json = (...args: string[]) => home.run([...args, '--json']).json();
const passed = () => fs.readFileSync(path.join(home.folder, 'passed'), 'utf8').split('\n').filter(Boolean);
const agentEnv = (key: string, agent = 'main') => ({
  CLAW_RUN_ID: 'a-run',
  CLAW_AGENT_ID: agent,
  CLAW_SESSION_KEY: key,
});

/** Agents main and work, each of which passes every message on to the other's main session. */
function pingPong(options: string[], agentToAgent: object): void {
  const runner = (to: string) => ({
    command: program('pass-on.sh'),
    args: [process.execPath, BIN, to, ...options],
    context: 'none',
  });
  home = new Home({
    agents: {
      list: [
        { id: 'main', runner: 'toWork' },
        { id: 'work', runner: 'toMain' },
      ],
    },
    runners: { toWork: runner('agent:work:main'), toMain: runner('agent:main:main') },
    session: { agentToAgent },
  });
}

/** Ticks until nothing is pending; fails when that never happens. */
function tickAll(): void {
  for (let ticks = 0; ticks < 30; ticks++) {
    home.run(['tick']);
    if (inbox(home).length === 0) return;
  }
  throw new Error(`still pending: ${JSON.stringify(inbox(home))}`);
}

describe('two agents that answer each other', () => {
  it('come to an end after five hops, and say why (X01 openclaw#37842, #62814, #92257)', () => {
    pingPong(['--reply', 'skip'], { enabled: true, allow: ['main', 'work'] });
    expect(home.run(['ingest', 'ping']).status).toBe(0);
    tickAll();
    expect(passed()).toHaveLength(6);
    const last = [...home.replies('main'), ...home.replies('work')].map(entry => entry.message.content);
    expect(last.some(text => text.includes('agents have passed this message on 6 times (at most 5)'))).toBe(
      true,
    );
  });

  it('are held to the operator’s own number of hops (X01 openclaw#48966)', () => {
    pingPong(['--reply', 'skip'], { enabled: true, allow: ['main', 'work'], maxHops: 2 });
    home.run(['ingest', 'ping']);
    tickAll();
    expect(passed()).toHaveLength(3);
  });

  it('send each other no more in a day than the operator allows each pair, and say so (X01 openclaw#37842)', () => {
    const agentToAgent = { enabled: true, allow: ['main', 'work', 'third'], maxPerDay: 2 };
    pingPong(['--reply', 'skip'], agentToAgent);
    home.config({
      ...JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8')),
      agents: { defaults: { runner: 'toMain' }, list: [{ id: 'main' }, { id: 'work' }, { id: 'third' }] },
      runners: { toMain: { command: 'cat' } },
    });
    const pass = (to: string, agent: string, offset = 0) =>
      home.run(['sessions', 'send', to, 'hello', '--reply', 'skip', '--json'], {
        env: {
          ...agentEnv(`agent:${agent}:main`, agent),
          NODE_OPTIONS: `--require ${path.join(AGENTS, '..', 'clock.cjs')}`,
          CLOCK_OFFSET_MS: String(offset),
        },
      });
    for (let n = 0; n < 2; n++) expect(pass('agent:work:main', 'main').status).toBe(0);
    const refused = pass('agent:work:main', 'main');
    expect(refused).toMatchObject({ status: 77, stdout: '' });
    expect(JSON.parse(refused.stderr).error).toMatchObject({
      code: 'too-many-sends',
      message: expect.stringMatching(
        /main has sent 2 messages to agent work .*session\.agentToAgent\.maxPerDay/,
      ),
    });
    const ingest = ['ingest', '--json', '--session', 'agent:work:main', 'hello'];
    expect(home.run(ingest, { env: agentEnv('agent:main:main', 'main') }).status).toBe(77);
    // Every other pair has its own, also the same two the other way round; what an agent writes in its own sessions, and the operator, are not counted.
    expect(pass('agent:main:main', 'work').status).toBe(0);
    for (let n = 0; n < 2; n++) expect(pass('agent:third:main', 'main').status).toBe(0);
    expect(pass('agent:third:main', 'main').status).toBe(77);
    expect(pass('agent:main:main', 'main').status).toBe(0);
    expect(home.run(['sessions', 'send', 'agent:work:main', 'hello', '--reply', 'skip']).status).toBe(0);
    expect(pass('agent:work:main', 'main', 24 * 3_600_000).status).toBe(0);
    expect(fs.readdirSync(home.path('counts', 'main'))).toHaveLength(1);
  });

  it('do not wait for each other for ever: who is waited for only gets the message queued', () => {
    pingPong(['--reply', 'reply', '--wait', '60'], { enabled: true, allow: ['main', 'work'], maxHops: 3 });
    const begun = Date.now();
    expect(home.run(['ingest', 'ping']).status).toBe(0);
    expect(Date.now() - begun).toBeLessThan(50_000);
    expect(
      passed()
        .slice(0, 2)
        .map(line => line.split(': ')[0]),
    ).toEqual(['agent:main:main', 'agent:work:main']);
  });

  it('cannot at all unless they are opened to each other, in the words of a session that is not there (X04 openclaw#43754, #50646)', () => {
    pingPong([], {});
    home.run(['ingest', 'ping']);
    expect(passed()).toEqual(['agent:main:main: ping']);
    expect(home.replies('main')[0].message.content).toContain(
      'there is no session \\"agent:work:main\\"'.replaceAll('\\', ''),
    );
    expect(home.transcripts('work').size).toBe(0);
  });
});

describe('an agent that looks for sessions which are not its own', () => {
  it('is told the same of one that is there and of one that is not, by every verb; lists say what they leave out (X04 openclaw#43754, #50646)', () => {
    home = new Home(withRunner({ command: 'cat' }, { agents: { list: [{ id: 'main' }, { id: 'work' }] } }));
    const config = JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8'));
    home.config({ ...config, agents: { defaults: { runner: 'agent' }, ...config.agents } });
    const room = ['--channel', 'irc', '--group', 'g', '--from', 'ada', '--mentioned'];
    const other = json('ingest', '--agent', 'work', 'the secret of work');
    json('ingest', ...room, 'the secret of the room');
    json('ingest', 'mine');
    json('ingest', '/new');
    const asked = (env: Record<string, string>, ...args: string[]) => {
      const { status, stdout, stderr } = home.run(args, { env });
      return { status, text: stdout + stderr };
    };
    const main = agentEnv('agent:main:main');
    const group = agentEnv('agent:main:irc:group:g');
    const cases: [Record<string, string>, string, string][] = [
      [main, 'agent:work:main', 'agent:work:none'],
      [group, 'agent:main:main', 'agent:main:none'],
      [main, other.sessionId, '11111111-2222-4333-8444-555555555555'],
    ];
    for (const [env, forbidden, unknown] of cases) {
      for (const verb of ['show', 'history', 'export', 'send']) {
        const more = verb === 'send' ? ['hello', '--reply', 'skip'] : [];
        const there = asked(env, 'sessions', verb, forbidden, ...more);
        expect(there.status, `${verb} ${forbidden}`).not.toBe(0);
        expect(there.text).toContain(forbidden);
        const gone = asked(env, 'sessions', verb, unknown, ...more);
        expect(gone).toEqual({ ...there, text: there.text.replaceAll(forbidden, unknown) });
      }
    }
    expect(inbox(home)).toEqual([]);

    for (const listing of [
      ['sessions', 'list'],
      ['sessions', 'list', '--archived'],
      ['sessions', 'search', 'secret'],
    ]) {
      const rows = (env: Record<string, string>) => {
        const document = home.run([...listing, '--json'], { env }).json();
        expect(JSON.stringify(document)).not.toMatch(/agent:work|secret of work/);
        expect(asked(env, ...listing).text).toContain(`(shown: ${document.scope})`);
        return document.scope;
      };
      expect(rows(main)).toBe('the sessions of agent "main"');
      expect(rows(group)).toBe('session "agent:main:irc:group:g" and those it spawned');
      // Whoever is shown everything is told nothing of it.
      const whole = home.run([...listing, '--json']).json();
      expect(whole).not.toHaveProperty('scope');
      expect(home.run(listing).stdout).not.toContain('shown:');
    }
    expect(json('sessions', 'search', 'secret').count).toBe(4);
    expect(home.run(['sessions', 'search', 'secret', '--json'], { env: group }).json().count).toBe(2);
  });
});

describe('a sub-agent', () => {
  it('works in a session of its own; its answer is one record of the session that asked, told to its next turn (X03 openclaw#89674, D09 #77480)', () => {
    home = new Home(withRunner({ command: program('spawn.sh'), args: [process.execPath, BIN] }));
    expect(json('ingest', 'please spawn').reply.text).toBe('spawned');
    const spawned = JSON.parse(fs.readFileSync(path.join(home.folder, 'spawned'), 'utf8'));
    expect(spawned).toMatchObject({
      status: 'queued',
      sessionKey: expect.stringMatching(/^agent:main:subagent:/),
    });
    home.run(['tick']);

    const next = json('ingest', 'well?');
    const told = new RegExp(
      `^told: System: \\[.*\\] Session ${spawned.sessionKey} answered: told: count the moons\n\nwell\\?$`,
    );
    expect(next.reply.text).toMatch(told);
    const main = home.transcripts().get(`${next.sessionId}.jsonl`)!;
    expect(main.filter(entry => entry.type === 'system_event')).toMatchObject([
      { source: 'subagent', from: spawned.sessionKey },
    ]);
    expect(json('ingest', 'again').reply.text).toBe('told: again');
    expect(json('sessions', 'show', spawned.sessionKey).settings.label).toEqual({
      value: 'moons',
      source: 'session',
    });
    expect(json('sessions', '--search', 'moons').sessions).toHaveLength(1);
  });

  it('whose asker was reset meanwhile still answers into the same conversation (D09 openclaw#97739)', () => {
    home = new Home(withRunner({ command: program('spawn.sh'), args: [process.execPath, BIN] }));
    home.run(['ingest', 'please spawn']);
    home.run(['ingest', '/new']);
    home.run(['tick']);
    expect(json('ingest', 'well?').reply.text).toContain('answered: told: count the moons');
  });

  it('that fails says so to who asked, and its task stays in the inbox', () => {
    home = new Home({
      agents: { list: [{ id: 'main', runner: 'spawn' }] },
      runners: {
        spawn: { command: program('spawn.sh'), args: [process.execPath, BIN], context: 'none' },
        fail: { command: program('fail.sh'), context: 'none' },
      },
    });
    home.run(['ingest', 'please spawn']);
    const config = JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8'));
    home.config({ ...config, agents: { list: [{ id: 'main', runner: 'fail' }] } });
    home.run(['tick']);
    expect(inbox(home)).toMatchObject([{ state: 'failed', text: 'count the moons' }]);
    home.config(config);
    expect(json('ingest', 'well?').reply.text).toMatch(/ended without an answer \(.+\)/);
  });

  it('started by a person is answered to the person', () => {
    home = new Home(withRunner({ command: 'cat' }));
    expect(home.run(['sessions', 'spawn', 'a task'])).toMatchObject({ status: 0, stdout: 'a task\n' });
  });
});

describe('sessions send', () => {
  it('is text for the agent, never a command, and moves neither freshness nor where replies go', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const first = json('ingest', '--channel', 'telegram', '--from', '1', 'hello');
    const before = json('sessions', 'show', 'main');
    expect(home.run(['sessions', 'send', 'main', '/new'])).toMatchObject({ status: 0, stdout: '/new\n' });
    const after = json('sessions', 'show', 'main');
    expect(after).toMatchObject({
      sessionId: first.sessionId,
      lastRoute: { channel: 'telegram', from: '1' },
    });
    expect(after.lastUserAt).toBe(before.lastUserAt);
  });

  it('skip: nothing is waited for or printed but that it is queued, and the next tick runs it', () => {
    home = new Home();
    const gate = gated(home);
    home.run(['ingest', 'hello']);
    const run = home.run(['sessions', 'send', 'main', 'by the way', '--reply', 'skip']);
    expect(run).toMatchObject({ status: 0, stdout: expect.stringContaining('Queued') });
    expect(gate.prompts()).toEqual(['hello']);
    home.run(['tick']);
    expect(gate.prompts()).toEqual(['hello', 'by the way']);
    expect(json('delivery', 'list').deliveries).toEqual([]);
  });

  it('to a key that is not there is an error, and begins nothing', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const run = home.run(['sessions', 'send', 'telegram:group:-1', 'hi']);
    expect(run).toMatchObject({ status: 64, stdout: '' });
    expect(run.stderr).toContain('there is no session');
    expect(home.transcripts().size).toBe(0);
  });

  it('announce tells the calling session, and a busy one is not waited for', () => {
    home = new Home(withRunner({ command: 'cat' }));
    home.run(['ingest', '--channel', 'irc', '--group', 'g', '--from', 'a', '--mentioned', 'hello']);
    home.run(['ingest', 'hello']);
    const env = agentEnv('agent:main:main');
    const args = ['sessions', 'send', 'irc:group:g', 'status?', '--reply', 'announce', '--json'];
    expect(home.run(args, { env }).json().status).toBe('queued');
    home.run(['tick']);
    expect(json('ingest', 'so?').reply.text).toMatch(
      /^System: .* Session agent:main:irc:group:g answered: status\?\n\nso\?\n?$/,
    );
  });
});

describe('a message for an agent that is busy', () => {
  it('waits for that agent and goes to no other (A05 openclaw#11773)', async () => {
    home = new Home();
    const gate = gated(home, {
      agents: { defaults: { runner: 'agent' }, list: [{ id: 'main' }, { id: 'work' }] },
      bindings: [{ agentId: 'work', match: { channel: 'slack', accountId: '*' } }],
    });
    gate.close();
    const first = home.start(['ingest', '--channel', 'slack', '--from', '1', 'one']);
    await gate.begun();
    expect(
      home.run(['ingest', '--channel', 'slack', '--from', '1', '--no-wait', '--json', 'two']).json(),
    ).toMatchObject({
      status: 'queued',
      agentId: 'work',
    });
    gate.open();
    await first.done;
    home.run(['tick']);
    expect(gate.runs().map(run => run.sessionKey)).toEqual(['agent:work:main', 'agent:work:main']);
    expect(home.transcripts('main').size).toBe(0);
  });
});

describe('a failed message', () => {
  it('keeps its text in the inbox, and is tried again by its own id or by inbox retry, without a second line (Q04 openclaw#69303, Q07 #109911)', () => {
    home = new Home(withRunner({ command: program('fail.sh') }));
    const send = () =>
      home.run(['ingest', '--channel', 'x', '--from', '1', '--id', 'm1', '--json', 'the whole text']);
    expect(send().status).toBe(69);
    expect(inbox(home)).toMatchObject([{ state: 'failed', text: 'the whole text' }]);
    expect(send().status).toBe(69);
    expect(inbox(home)).toHaveLength(1);
    expect(home.users()).toHaveLength(1);

    home.config(withRunner({ command: 'cat' }));
    expect(json('inbox', 'retry', 'm1')).toMatchObject({
      count: 1,
      results: [{ status: 'replied', messageId: 'm1', reply: { text: 'the whole text' } }],
    });
    expect(inbox(home)).toEqual([]);
    expect(home.users()).toHaveLength(1);
    expect(send().json()).toMatchObject({ status: 'duplicate', reply: { text: 'the whole text' } });
  });

  it('is dropped only by name, and says once more what it was', () => {
    home = new Home(withRunner({ command: program('fail.sh') }));
    home.run(['ingest', '--id', 'm1', 'the whole text']);
    expect(home.run(['inbox', 'drop', 'm2']).status).toBe(64);
    expect(home.run(['inbox', 'drop', 'm1']).stdout).toContain('the whole text');
    expect(inbox(home)).toEqual([]);
    expect(home.users()).toHaveLength(1);
  });
});

describe('a thread that is named after the message it answers', () => {
  it('begins with that message and its answer (K07 openclaw#71438, #78262, #113449)', () => {
    home = new Home();
    const gate = gated(home, {}, { context: 'claw' });
    const room = ['--channel', 'slack', '--chat', 'channel', '--group', 'C1', '--from', 'ada', '--mentioned'];
    home.run(['ingest', ...room, '--id', '171.5', 'where is the spare key?']);
    const inThread = json('ingest', ...room, '--thread', '171.5', '--id', '171.9', 'and the other one?');
    expect(inThread.sessionKey).toBe('agent:main:slack:channel:c1:thread:171.5'.replace('c1', 'C1'));
    expect(gate.prompts()[1]).toContain('where is the spare key?');
    expect(gate.prompts()[1]).toContain('role="assistant"');
    const elsewhere = json('ingest', ...room, '--thread', '99.9', '--id', '171.10', 'hello');
    expect(elsewhere.status).toBe('replied');
    expect(gate.prompts()[2]).toBe('ada: hello');
  });
});

describe('what /new keeps', () => {
  it('is what the user chose: model, thinking level; /new MODEL chooses another (R14 openclaw#27058, #58317, #53490)', () => {
    home = new Home(withRunner({ command: 'cat' }, { models: { opus: 'a/opus' } }));
    for (const text of ['/model a/sonnet', '/think high', 'hello', '/new']) home.run(['ingest', text]);
    const settings = () => json('sessions', 'show', 'main').settings;
    expect(settings()).toMatchObject({
      model: { value: 'a/sonnet', source: 'session' },
      thinkingLevel: { value: 'high', source: 'session' },
    });
    home.run(['ingest', '/new opus']);
    expect(settings().model).toEqual({ value: 'a/opus', source: 'session' });
    home.run(['ingest', '/model default']);
    expect(settings().model).toEqual({ value: null, source: 'default' });
  });
});
