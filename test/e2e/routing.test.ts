import fs from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Home, list, withRunner } from './claw.ts';
import { editRecord, gated, HOUR, inbox, recordFile, snapshot, undelivered } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

type Document = any;

const people: Record<string, string[]> = {
  'A on telegram': ['--channel', 'telegram', '--from', '1'],
  'B on telegram': ['--channel', 'telegram', '--from', '2'],
  'B on telegram, work account': ['--channel', 'telegram', '--account', 'work', '--from', '2'],
  'A on discord': ['--channel', 'discord', '--from', '1'],
};

/** The session key of everybody's message, as `route` says it. */
function keys(): Record<string, string> {
  const routes = Object.entries(people).map(([name, from]) => {
    return [name, home.run(['route', '--json', ...from, 'hello']).json().sessionKey];
  });
  return Object.fromEntries(routes);
}

/** The same with real messages: `ingest` must agree with `route` (K12 openclaw#10172). */
function keysOfMessages(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, from] of Object.entries(people)) {
    const route: Document = home.run(['route', '--json', ...from, 'hello']).json();
    const result: Document = home.run(['ingest', '--json', ...from, 'hello']).json();
    expect(result.sessionKey).toBe(route.sessionKey);
    expect(result.agentId).toBe(route.agentId);
    found[name] = route.sessionKey;
  }
  return found;
}

describe('dmScope', () => {
  const scopes: [string, string[]][] = [
    ['main', ['main', 'main', 'main', 'main']],
    ['per-peer', ['dm:1', 'dm:2', 'dm:2', 'dm:1']],
    ['per-channel-peer', ['telegram:dm:1', 'telegram:dm:2', 'telegram:dm:2', 'discord:dm:1']],
    [
      'per-account-channel-peer',
      ['telegram:default:dm:1', 'telegram:default:dm:2', 'telegram:work:dm:2', 'discord:default:dm:1'],
    ],
  ];

  it.each(scopes)('%s', (dmScope, expected) => {
    home = new Home(withRunner({ command: 'cat' }, { session: { dmScope } }));
    expect(Object.values(keysOfMessages())).toEqual(expected.map(rest => `agent:main:${rest}`));
    expect(list(home.path('agents', 'main', 'sessions', 'records'))).toHaveLength(new Set(expected).size);
  });

  it('an identity link joins one person over channels, in both forms, in every scope but main', () => {
    const forms = [
      { ada: ['telegram:1', 'discord:1'] },
      [{ ids: ['telegram:1', 'discord:1'], sharedSession: true }],
    ];
    for (const [form, identityLinks] of forms.entries()) {
      for (const dmScope of ['per-peer', 'per-channel-peer', 'per-account-channel-peer']) {
        home = new Home(withRunner({ command: 'cat' }, { session: { dmScope, identityLinks } }));
        const found = keys();
        expect(found['A on telegram']).toBe(`agent:main:dm:${form === 0 ? 'ada' : 'telegram:1'}`);
        expect(found['A on discord']).toBe(found['A on telegram']);
        expect(found['B on telegram']).not.toBe(found['A on telegram']);
        home.cleanUp();
      }
    }
  });

  it('scope global puts everything of an agent into one session', () => {
    home = new Home(withRunner({ command: 'cat' }, { session: { scope: 'global' } }));
    expect(new Set(Object.values(keysOfMessages()))).toEqual(new Set(['agent:main:global']));
    const group = home
      .run(['route', '--json', '--channel', 'telegram', '--group=-1', '--from', '1', 'hi'])
      .json();
    expect(group.sessionKey).toBe('agent:main:global');
  });

  it('one person never reads what another wrote, in prompts either (K11 openclaw#7215)', () => {
    home = new Home();
    const gate = gated(home, { session: { dmScope: 'per-channel-peer' } }, { context: 'claw' });
    home.run(['ingest', ...people['A on telegram']!, 'my PIN is 7391']);
    home.run(['ingest', ...people['B on telegram']!, 'hello']);
    home.run(['ingest', ...people['B on telegram']!, 'what is the PIN?']);
    home.run(['ingest', ...people['A on telegram']!, 'what is my PIN?']);
    const [, first, second, own] = gate.prompts();
    expect(`${first}${second}`).not.toContain('7391');
    expect(own).toContain('7391');
  });

  it('the built-in recall answers nobody from the sessions of others', () => {
    home = new Home({ session: { dmScope: 'per-channel-peer' } });
    home.run(['ingest', ...people['A on telegram']!, 'the alarm PIN is 7391']);
    expect(home.run(['ingest', ...people['B on telegram']!, 'what is the alarm PIN?']).stdout).not.toContain(
      '7391',
    );
    expect(home.run(['ingest', ...people['A on telegram']!, 'what is the alarm PIN?']).stdout).toContain(
      '7391',
    );
  });

  it('main: a second person in the shared session is answered, and the operator is warned (K11 openclaw#7215)', () => {
    home = new Home(withRunner({ command: 'cat' }));
    expect(home.run(['ingest', ...people['A on telegram']!, 'hello'])).toMatchObject({
      status: 0,
      stderr: '',
    });
    const second = home.run(['ingest', ...people['B on telegram']!, 'hello']);
    expect(second).toMatchObject({ status: 0, stdout: 'hello\n' });
    expect(second.stderr).toMatch(/dmScope/);
  });

  it('groups, rooms, topics and threads have keys of their own (K06 openclaw#31064, K08 openclaw#79005)', () => {
    home = new Home();
    const route = (...args: string[]): string =>
      home.run(['route', '--json', ...args, 'hi']).json().sessionKey;
    expect(route('--channel', 'telegram', '--group=-1')).toBe('agent:main:telegram:group:-1');
    expect(route('--channel', 'telegram', '--group=-1', '--thread', '42')).toBe(
      'agent:main:telegram:group:-1:topic:42',
    );
    expect(route('--channel', 'telegram', '--group=-2', '--thread', '42')).toBe(
      'agent:main:telegram:group:-2:topic:42',
    );
    expect(route('--channel', 'discord', '--chat', 'channel', '--group', '9')).toBe(
      'agent:main:discord:channel:9',
    );
    expect(route('--channel', 'slack', '--chat', 'channel', '--group', 'C1', '--thread', '1.2')).toBe(
      'agent:main:slack:channel:C1:thread:1.2',
    );
    expect(route('--channel', 'whatsapp', '--from', '123@g.us')).toBe('agent:main:whatsapp:group:123@g.us');
    expect(route('--session', 'telegram:group:-1')).toBe('agent:main:telegram:group:-1');
    expect(route('--session', 'main')).toBe('agent:main:main');
    expect(route()).toBe('agent:main:main');
  });

  it('unmentioned messages of a group are kept as context for the one that is answered', () => {
    home = new Home();
    const gate = gated(home, {}, { context: 'claw' });
    const say = (text: string, ...more: string[]) =>
      home.run([
        'ingest',
        '--json',
        '--channel',
        'telegram',
        '--group=-1',
        '--from',
        '1',
        '--from-name',
        'Ada',
        ...more,
        text,
      ]);
    expect(say('lunch at noon?').json()).toMatchObject({ status: 'recorded', reply: null });
    expect(home.run(['ingest', '--channel', 'telegram', '--group=-1', '--from', '2', 'fine'])).toMatchObject({
      status: 0,
      stdout: '',
    });
    expect(say('when is lunch?', '--mentioned').json()).toMatchObject({ status: 'replied' });
    expect(gate.runs()).toHaveLength(1);
    expect(gate.prompts()[0]).toContain('lunch at noon?');
    expect(gate.prompts()[0]).toContain('fine');
  });
});

describe('several agents', () => {
  const config = (ops: object, main: object) => ({
    agents: {
      list: [
        { id: 'main', default: true, runner: 'main' },
        { id: 'ops', runner: 'ops' },
      ],
    },
    runners: { main, ops },
    bindings: [
      { agentId: 'ops', match: { channel: 'slack' } },
      { agentId: 'ops', match: { channel: 'telegram', peer: { kind: 'group', id: '-9' } } },
      { agentId: 'ops', match: { channel: 'discord', guildId: 'G1' } },
      { agentId: 'ops', match: { channel: 'signal', accountId: 'work' } },
      { agentId: 'main', match: { channel: 'slack', peer: { kind: 'dm', id: 'U1' } } },
    ],
  });
  const cat = { command: 'cat', context: 'claw' };

  it('a binding chooses the agent, and route says which rule did (A01 openclaw#6602)', () => {
    home = new Home(config(cat, cat));
    const route = (...args: string[]) => {
      const { agentId, matchedBy } = home.run(['route', '--json', ...args, 'hi']).json();
      return [agentId, matchedBy];
    };
    expect(route()).toEqual(['main', 'default']);
    expect(route('--channel', 'slack', '--from', 'U2')).toEqual(['ops', 'binding.channel']);
    expect(route('--channel', 'slack', '--from', 'U1')).toEqual(['main', 'binding.peer']);
    expect(route('--channel', 'telegram', '--group=-9')).toEqual(['ops', 'binding.peer']);
    expect(route('--channel', 'telegram', '--chat', 'thread', '--parent=-9', '--thread', '1')).toEqual([
      'ops',
      'binding.peer.parent',
    ]);
    expect(route('--channel', 'discord', '--chat', 'channel', '--group', '5', '--guild', 'G1')).toEqual([
      'ops',
      'binding.guild',
    ]);
    expect(route('--channel', 'signal', '--account', 'work', '--from', '1')).toEqual([
      'ops',
      'binding.account',
    ]);
    expect(route('--agent', 'ops')).toEqual(['ops', 'agentId']);
    expect(route('--session', 'agent:ops:main')).toEqual(['ops', 'sessionKey']);
  });

  it('a binding to an agent that is not configured is a config error', () => {
    home = new Home({ ...config(cat, cat), bindings: [{ agentId: 'nobody', match: { channel: 'slack' } }] });
    const run = home.run(['ingest', '--json', 'hello']);
    expect(run).toMatchObject({ status: 78, stdout: '' });
    expect(JSON.parse(run.stderr).error.message).toContain('"nobody"');
  });

  it('everything of an agent stays in its own folders (A02 openclaw#15537)', () => {
    home = new Home(
      config({ command: 'sh', args: ['-c', 'pwd; echo "$CLAW_AGENT_ID"; touch made-by-ops; cat'] }, cat),
    );
    const slack = ['--channel', 'slack', '--from', 'U2'];
    const run = home.run(['ingest', '--json', ...slack, '--id', 'm1', 'for ops']);
    expect(run.json()).toMatchObject({ agentId: 'ops', sessionKey: 'agent:ops:main', status: 'replied' });
    expect(run.json().reply.text.split('\n').slice(0, 2)).toEqual([
      home.path('agents', 'ops', 'workspace'),
      'ops',
    ]);
    home.run(['ingest', ...slack, '--no-wait', 'for later']);
    expect(list(home.path('pending'))).toEqual(['ops']);
    home.run(['tick']);
    home.run(['ingest', ...slack, '/new']);
    expect(list(home.path('agents'))).toEqual(['ops']);
    expect(list(home.path('agents', 'ops', 'workspace'))).toEqual(['made-by-ops']);
    // What is no agent's (the place of a heartbeat's run) begins with a mark.
    expect(list(home.path('locks')).filter(name => !/^[.@]/.test(name))).toEqual(['ops']);
    expect(undelivered(home)).toMatchObject([{ sessionKey: 'agent:ops:main' }]);
  });

  it('one agent hears nothing of another', () => {
    home = new Home(config(cat, cat));
    home.run(['ingest', '--channel', 'slack', '--from', 'U2', 'the root password is hunter2']);
    const main = home
      .run(['ingest', '--json', '--channel', 'telegram', '--from', 'U2', 'what is the root password?'])
      .json();
    expect(main).toMatchObject({ agentId: 'main', isNewSession: true });
    expect(main.reply.text).not.toContain('hunter2');
    const ops = home.run(['ingest', '--json', '--agent', 'ops', 'what is the root password?']).json();
    expect(ops.reply.text).toContain('hunter2');
    const only = home.run(['sessions', '--agent', 'ops', '--json']).json();
    expect(only.sessions.map(({ key }: { key: string }) => key)).toEqual(['agent:ops:main']);
    expect(home.run(['sessions', '--json']).json().count).toBe(2);
  });
});

describe('claw route', () => {
  const shape = [
    'agentId',
    'sessionKey',
    'mainSessionKey',
    'matchedBy',
    'channel',
    'accountId',
    'chatType',
    'peerId',
    'access',
    'activation',
    'trigger',
    'reset',
    'directives',
    'body',
    'delivery',
    'action',
    'duplicateOf',
  ];

  it('has the shape of contract §3.2, key by key, before the session exists and after', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const args = ['route', '--json', '--channel', 'telegram', '--from', '1', '--id', 'm1', 'hello'];
    const before: Document = home.run(args).json();
    expect(Object.keys(before).toSorted()).toEqual(shape.toSorted());
    expect(before).toEqual({
      agentId: 'main',
      sessionKey: 'agent:main:main',
      mainSessionKey: 'agent:main:main',
      matchedBy: 'default',
      channel: 'telegram',
      accountId: 'default',
      chatType: 'dm',
      peerId: '1',
      access: { allowed: true, reason: 'open' },
      activation: { mode: 'always', mentioned: false, respond: true },
      trigger: null,
      reset: null,
      directives: {},
      body: 'hello',
      delivery: { decision: expect.any(String), rule: expect.any(String) },
      action: 'run',
      duplicateOf: null,
    });
    const first = home.run(['ingest', ...args.slice(1)]).json();
    const after: Document = home.run(args).json();
    expect(Object.keys(after).toSorted()).toEqual(shape.toSorted());
    expect(after.reset).toEqual({
      type: 'dm',
      policy: { mode: 'daily', atHour: 4, idleMinutes: null, tz: 'UTC' },
      fresh: true,
      reason: null,
      dailyResetAt: expect.stringMatching(/T04:00:00.000Z$/),
      idleExpiresAt: null,
    });
    expect(JSON.stringify(after.duplicateOf)).toContain(first.sessionId);
  });

  it('tells the actions apart: run, command, record, drop', () => {
    home = new Home(
      withRunner(
        { command: 'cat' },
        {
          owners: ['telegram:1'],
          channels: { telegram: { allowFrom: ['1'] } },
          models: { opus: 'anthropic/claude-opus' },
        },
      ),
    );
    const route = (text: string, ...args: string[]): Document =>
      home.run(['route', '--json', '--channel', 'telegram', '--from', '1', ...args, text]).json();
    expect(route('hello')).toMatchObject({ action: 'run', body: 'hello' });
    expect(route('/new')).toMatchObject({
      action: 'command',
      body: '',
      trigger: { trigger: '/new', model: null, remainder: '' },
    });
    expect(route('/new opus and more')).toMatchObject({
      action: 'run',
      body: 'and more',
      trigger: { trigger: '/new', model: 'anthropic/claude-opus', remainder: 'and more' },
    });
    expect(route('hello', '--group=-1')).toMatchObject({ action: 'record', activation: { respond: false } });
    expect(
      home.run(['route', '--json', '--channel', 'telegram', '--from', '2', 'hello']).json(),
    ).toMatchObject({
      action: 'drop',
      access: { allowed: false, reason: 'not-listed' },
    });
  });

  it('says what ingest then does where only owners may reset', () => {
    home = new Home(withRunner({ command: 'cat' }, { session: { resetBy: 'owner' } }));
    const args = ['--json', '--channel', 'telegram', '--from', '1', '/new and a text'];
    const route: Document = home.run(['route', ...args]).json();
    const result: Document = home.run(['ingest', ...args]).json();
    expect([route.action, result.status]).toEqual(
      result.status === 'command' ? ['command', 'command'] : ['run', 'replied'],
    );
  });

  it('answers --at another time', () => {
    home = new Home(
      withRunner({ command: 'cat' }, { session: { reset: { mode: 'idle', idleMinutes: 60 } } }),
    );
    home.run(['ingest', 'hello']);
    const fresh = (...at: string[]) => home.run(['route', '--json', ...at, 'hello']).json().reset.fresh;
    expect([fresh(), fresh('--at', '59m'), fresh('--at', '61m')]).toEqual([true, true, false]);
  });
});

describe('commands that only read', () => {
  const reading = [
    ['route', 'hello'],
    ['route', '--channel', 'telegram', '--group=-1', '--from', '1', '/new'],
    ['sessions'],
    ['sessions', '--active', '60', '--all-agents'],
    ['sessions', 'show', 'main'],
    ['sessions', 'show', 'main', '--verbose'],
    ['sessions', 'history', 'main'],
    ['config', 'show'],
    ['config', 'show', '--effective'],
    ['config', 'validate'],
    ['config', 'schema'],
    ['status'],
    ['tick', '--dry-run'],
    ['inbox', 'list'],
    ['delivery', 'list'],
    ['--help'],
    ['ingest', '--help'],
  ];

  it('leave the store as it is, to the byte and the time of each file and folder', async () => {
    home = new Home();
    const gate = gated(home, { session: { reset: { mode: 'daily', atHour: 4 } } });
    // Something of everything: a stale session, a failed and a waiting message, a reply nobody got, a torn transcript.
    home.run(['ingest', 'hello']);
    editRecord(recordFile(home), { startedAt: Date.now() - 50 * HOUR, lastUserAt: Date.now() - 50 * HOUR });
    home.run([
      'ingest',
      '--no-wait',
      '--channel',
      'telegram',
      '--group=-1',
      '--from',
      '1',
      '--mentioned',
      'later',
    ]);
    home.run(['tick']);
    home.run([
      'ingest',
      '--no-wait',
      '--channel',
      'telegram',
      '--group=-1',
      '--from',
      '1',
      '--mentioned',
      'waits',
    ]);
    fs.appendFileSync(
      home.path(
        'agents',
        'main',
        'sessions',
        list(home.path('agents', 'main', 'sessions')).find(name => name.endsWith('.jsonl'))!,
      ),
      '{"torn',
    );
    gate.close();
    const busy = home.start([
      'ingest',
      '--channel',
      'telegram',
      '--group=-2',
      '--from',
      '1',
      '--mentioned',
      'busy',
    ]);
    await gate.begun(3);
    home.run(['status']); // fills the cache

    const before = snapshot(home.dir, ['cache']);
    for (const args of reading) {
      for (const json of [[], ['--json']]) {
        const run = home.run([...args, ...json]);
        expect([0, 1], args.join(' ')).toContain(run.status);
        expect(snapshot(home.dir, ['cache']), args.join(' ')).toEqual(before);
      }
    }
    gate.open();
    await busy.done;
    expect(inbox(home)).toMatchObject([{ text: 'waits' }]);
  });

  it('work without a cache, and where none can be made', () => {
    home = new Home(withRunner({ command: 'cat' }));
    home.run(['ingest', 'hello']);
    fs.rmSync(home.path('cache'), { recursive: true });
    expect(home.run(['sessions'])).toMatchObject({ status: 0, stderr: '' });
    fs.rmSync(home.path('cache'), { recursive: true });
    fs.writeFileSync(home.path('cache'), 'in the way');
    expect(home.run(['sessions'])).toMatchObject({ status: 0, stderr: '' });
    expect(home.run(['ingest', 'hello'])).toMatchObject({ status: 0, stderr: '' });
  });

  it('make nothing in a home that does not exist, nor the home', () => {
    home = new Home();
    fs.rmdirSync(home.dir);
    for (const args of reading) {
      const run = home.run(args);
      expect(run.stderr, args.join(' ')).not.toMatch(/internal error/);
      expect([0, 64], args.join(' ')).toContain(run.status);
      expect(fs.readdirSync(home.folder), args.join(' ')).toEqual([]);
    }
  });

  it('list sessions without opening a transcript (O10 openclaw#64321)', () => {
    home = new Home(withRunner({ command: 'cat' }));
    home.run(['ingest', 'hello']);
    const folder = home.path('agents', 'main', 'sessions');
    const [transcript] = list(folder).filter(name => name.endsWith('.jsonl'));
    // As root no mode keeps anybody from reading; a folder in its place does.
    fs.rmSync(`${folder}/${transcript}`);
    fs.mkdirSync(`${folder}/${transcript}`);
    expect(home.run(['sessions', '--json'])).toMatchObject({ status: 0, stderr: '' });
    expect(home.run(['status', '--json'])).toMatchObject({ status: 0, stderr: '' });
  });
});
