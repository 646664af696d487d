/** One machine, several agents: each with its runner, workspace, environment, secrets and memory. Nothing crosses. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BIN, Home, list } from './claw.ts';
import { contents, program } from './support.ts';

/** What agents are told in confidence, and must stay where it was said. */
const SECRETS = {
  main: ['main-key-4711-canary', 'teller-token-4712-canary'],
  work: ['work-key-4713-canary', 'keeper-token-4714-canary'],
};

interface Start {
  agent: string;
  cwd: string;
  env: Record<string, string>;
  args: string[];
  cmdline: string;
  prompt: string;
}

let home: Home;
beforeEach(() => {
  home = new Home();
  for (const name of ['main', 'work', 'books']) fs.mkdirSync(path.join(home.folder, name));
  for (const name of ['main', 'work'])
    fs.writeFileSync(path.join(home.folder, name, 'claw'), `${process.execPath}\n${BIN}\n`);
  configure();
});
afterEach(() => home.cleanUp());

const workspace = (agent: string) => path.join(home.folder, agent, 'workspace');

/** main is sent the conversation, work keeps it itself, books is answered by recall. */
function configure(rest: object = {}, ofWork: object = {}): void {
  const [main, work] = ['main', 'work'].map(name => path.join(home.folder, name)) as [string, string];
  home.config({
    agents: {
      list: [
        {
          ...{ id: 'main', default: true, runner: 'teller', workspace: workspace('main'), model: 'a/one' },
          ...{ systemPrompt: 'You are Mia.', contextTokens: 50_000, compaction: { keepRecentTurns: 3 } },
          env: { MAIN_KEY: SECRETS.main[0], SHARED_NAME: 'of main' },
        },
        {
          ...{ id: 'work', runner: 'keeper', workspace: workspace('work'), model: 'b/two' },
          ...{ systemPrompt: 'You are Wim.', contextTokens: 9_000, memory: { enabled: false } },
          env: { WORK_KEY: SECRETS.work[0], SHARED_NAME: 'of work' },
          ...ofWork,
        },
        { id: 'books', runner: 'recall', workspace: workspace('books') },
      ],
    },
    runners: {
      teller: {
        ...{ command: program('witness.mjs'), args: [main], context: 'claw' },
        env: { TELLER_TOKEN: SECRETS.main[1] },
      },
      keeper: {
        ...{ command: program('witness.mjs'), context: 'native', output: 'jsonl' },
        ...{
          args: [work, '--id', '{{NativeSessionId}}'],
          resumeArgs: [work, '--resume', '{{NativeSessionId}}'],
        },
        asideArgs: [work, '--aside'],
        env: { KEEPER_TOKEN: SECRETS.work[1] },
        pick: {
          text: { at: 'text', when: { type: 'reply' } },
          sessionId: { at: 'id', when: { type: 'start' } },
          error: { at: 'message', when: { type: 'error' } },
          delta: { at: 'text', when: { type: 'delta' } },
          toolCall: { at: 'name', when: { type: 'tool' } },
          thinking: { at: 'text', when: { type: 'thinking' } },
        },
      },
    },
    bindings: [
      { agentId: 'work', match: { channel: 'slack', accountId: '*' } },
      { agentId: 'books', match: { channel: 'discord', accountId: 'library' } },
    ],
    channels: { discord: { accounts: { library: {} } } },
    session: { reset: { mode: 'off' } },
    ...rest,
  });
}

const WORK = ['--channel', 'slack', '--from', 'u1'];
const BOOKS = ['--channel', 'discord', '--account', 'library', '--from', 'u2'];
const say = (...args: string[]) => home.run(['ingest', '--json', ...args]).json();
const json = (...args: string[]) => home.run([...args, '--json']).json();
const starts = (agent: 'main' | 'work'): Start[] => {
  const file = path.join(home.folder, agent, 'starts');
  if (!fs.existsSync(file)) return [];
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map(line => JSON.parse(line));
};
const lastStart = (agent: 'main' | 'work') => starts(agent).at(-1)!;

/** Everything that stands below a folder, and in the names in it. */
function everythingIn(folder: string): string {
  if (!fs.existsSync(folder)) return '';
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = names.filter(name => fs.statSync(path.join(folder, name)).isFile());
  return [...names, ...files.map(name => fs.readFileSync(path.join(folder, name), 'latin1'))].join('\n');
}

describe('a message', () => {
  it('goes to the agent of its channel or account, in its workspace, with its environment alone', () => {
    expect(say('hello').reply.text).toBe('main heard: hello');
    expect(say(...WORK, 'hello').reply.text).toBe('work heard: hello');
    expect(say(...BOOKS, 'hello')).toMatchObject({ agentId: 'books', status: 'replied' });

    const [main, work] = [lastStart('main'), lastStart('work')];
    expect([main.agent, main.cwd, main.env.CLAW_SESSION_KEY]).toEqual([
      'main',
      fs.realpathSync(workspace('main')),
      'agent:main:main',
    ]);
    expect([work.agent, work.cwd, work.env.CLAW_SESSION_KEY]).toEqual([
      'work',
      fs.realpathSync(workspace('work')),
      'agent:work:main',
    ]);
    expect(main.env).toMatchObject({
      MAIN_KEY: SECRETS.main[0],
      TELLER_TOKEN: SECRETS.main[1],
      SHARED_NAME: 'of main',
    });
    expect(work.env).toMatchObject({
      WORK_KEY: SECRETS.work[0],
      KEEPER_TOKEN: SECRETS.work[1],
      SHARED_NAME: 'of work',
    });
    for (const secret of SECRETS.work) expect(Object.values(main.env).join()).not.toContain(secret);
    for (const secret of SECRETS.main) expect(Object.values(work.env).join()).not.toContain(secret);
    // Nothing of its environment stands where every process of the machine can read it.
    for (const start of [main, work]) expect(start.cmdline).not.toContain('canary');
  });

  it('knows the other agent neither by prompt nor by history; each has its own model and system prompt', () => {
    say('the zebra is Ada');
    say(...WORK, 'the giraffe is Otto');
    say('and now?');
    say(...WORK, 'and now?');
    expect(lastStart('main').prompt).toContain('zebra');
    expect(lastStart('main').prompt).toContain('You are Mia.');
    expect(
      starts('main')
        .map(({ prompt }) => prompt)
        .join(),
    ).not.toMatch(/giraffe|Wim/);
    expect(
      starts('work')
        .map(({ prompt }) => prompt)
        .join(),
    ).not.toMatch(/zebra|Mia/);
    expect(starts('work')[0]!.prompt).toContain('You are Wim.');
    const models = (agent: string) =>
      [...home.transcripts(agent).values()]
        .flat()
        .filter(line => line.type === 'turn')
        .map(({ model }) => model);
    expect([models('main'), models('work')]).toEqual([
      ['a/one', 'a/one'],
      ['b/two', 'b/two'],
    ]);
  });

  it('is written below the folder of its agent and nowhere else', () => {
    say('the zebra is Ada');
    say(...WORK, 'the giraffe is Otto');
    say(...BOOKS, 'the okapi is Ken');
    const words = { main: 'zebra', work: 'giraffe', books: 'okapi' };
    for (const [agent, word] of Object.entries(words)) {
      for (const [other, foreign] of Object.entries(words)) {
        const found = everythingIn(home.path('agents', agent));
        if (other === agent) expect(found).toContain(word);
        else expect(found).not.toContain(foreign);
      }
      expect(json('sessions', '--agent', agent).sessions.map(({ key }: any) => key)).toEqual([
        `agent:${agent}:main`,
      ]);
    }
  });

  it('that changes a setting changes it for its own agent; /status and /context show one’s own', () => {
    say('the zebra is Ada');
    say(...WORK, 'the giraffe is Otto');
    home.config({ ...JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8')), owners: ['slack:u1'] });
    expect(say(...WORK, '/think high').status).toBe('command');
    const status = { main: say('/status').reply.text, work: say(...WORK, '/status').reply.text };
    expect(status.main).toMatch(/agent:main:main[\s\S]*a\/one[\s\S]*50k/);
    expect(status.work).toMatch(/agent:work:main[\s\S]*b\/two[\s\S]*9\.0k/);
    expect(status.main).not.toMatch(/work|b\/two|high/);
    expect(status.work).not.toMatch(/agent:main|a\/one/);
    expect(status.work).toContain('high');
    const context = {
      main: say('/context detail').reply.text,
      work: say(...WORK, '/context detail').reply.text,
    };
    expect(context.main).not.toMatch(/work|Wim|giraffe/);
    expect(context.work).not.toMatch(/agent:main|Mia|zebra/);
    expect(json('sessions', 'show', 'agent:work:main').settings.thinkingLevel).toEqual({
      value: 'high',
      source: 'session',
    });
    expect(json('sessions', 'show', 'agent:main:main').settings.thinkingLevel.source).toBe('default');
  });
});

describe('memory', () => {
  it('of one agent is neither given to another nor found by it, and is off for one alone', () => {
    home.run(['memory', 'add', 'the spare key is with Ada']);
    home.run(['memory', 'add', '--agent', 'work', 'the spare key is with Otto']);
    home.run(['memory', 'add', '--agent', 'books', 'the spare key is with Ken']);
    for (const who of [[], WORK, BOOKS]) say(...who, 'hello');
    say('where is the spare key?');
    say(...WORK, 'where is the spare key?');
    const told = say(...BOOKS, 'where is the spare key?').reply.text;
    expect(lastStart('main').prompt).toContain('Ada');
    expect(lastStart('main').prompt).not.toMatch(/Otto|Ken/);
    // Memory is off for work.
    expect(lastStart('work').prompt).not.toMatch(/Ada|Otto|Ken/);
    expect(told).toContain('Ken');
    expect(told).not.toMatch(/Ada|Otto/);

    const found = say('!claw memory search spare --json').reply.text;
    expect(found).toContain('Ada');
    expect(found).not.toMatch(/Otto|Ken/);
    for (const order of [
      'memory search spare --agent work',
      'memory list --agent books',
      'memory add --agent work x',
    ])
      expect(say(`!claw ${order}`).reply.text).toMatch(/^status 77\n(?![\s\S]*(?:Otto|Ken))/);
    expect(everythingIn(home.path('cache', 'memory'))).not.toMatch(/Otto.*Ada|Ada.*Otto/);
  });

  it('of agents that were given one workspace is shared, which the config is warned of', () => {
    configure({}, { workspace: workspace('main') });
    const run = home.run(['config', 'validate']);
    expect(run.status).toBe(0);
    expect(run.stderr).toContain('main and work');
    configure();
    expect(home.run(['config', 'validate']).stderr).not.toContain('main and work');
  });
});

describe('a workspace', () => {
  it('that is relative is below the home of claw, wherever claw is called from', () => {
    configure({}, { workspace: 'work-folder' });
    say(...WORK, 'hello');
    expect(lastStart('work').cwd).toBe(fs.realpathSync(home.path('work-folder')));
    expect(json('memory', 'add', '--agent', 'work', 'x').path).toContain(
      `${home.path('work-folder')}/memory/`,
    );
    expect(fs.existsSync('work-folder')).toBe(false);
  });
});

describe('recall of one agent', () => {
  it('finds nothing that was said to another', () => {
    say('the giraffe is called Otto');
    say(...WORK, 'the giraffe is called Ada');
    say(...BOOKS, 'the giraffe is called Ken');
    const told = say(...BOOKS, 'what is the giraffe called?').reply.text;
    expect(told).toContain('Ken');
    expect(told).not.toMatch(/Otto|Ada/);
    // Not even where another agent is given recall later, over its own past.
    configure({}, { runner: 'recall' });
    const other = say(...WORK, 'what is the giraffe called?').reply.text;
    expect(other).toContain('Ada');
    expect(other).not.toMatch(/Otto|Ken/);
  });
});

describe('what claw starts by itself', () => {
  it('a job runs with the runner, workspace and environment of its agent, told only in its main session', () => {
    say('hello');
    say(...WORK, 'hello');
    const id =
      json('cron', 'add', '--agent', 'work', '--name', 'look', '--every', '1d', '--message', 'look after it')
        .job?.id ?? 'look';
    expect(home.run(['cron', 'run', id, '--force']).status).toBe(0);
    const job = lastStart('work');
    expect(job).toMatchObject({ agent: 'work', cwd: fs.realpathSync(workspace('work')) });
    expect(job.env).toMatchObject({ WORK_KEY: SECRETS.work[0], SHARED_NAME: 'of work', CLAW_ORIGIN: 'cron' });
    expect(JSON.stringify(job)).not.toMatch(/main-key|teller-token|of main/);
    expect(starts('main')).toHaveLength(1);
    expect(list(home.path('events'))).toEqual(['work']);
    home.run([
      'cron',
      'add',
      '--agent',
      'work',
      '--name',
      'cmd',
      '--every',
      '1d',
      '--exec',
      '/bin/sh',
      '-c',
      'pwd; env',
    ]);
    home.run(['cron', 'run', 'cmd', '--force']);
    const [record] = json('cron', 'runs', 'cmd').entries;
    expect(record.summary).toContain(fs.realpathSync(workspace('work')));
    expect(JSON.stringify(record)).not.toContain('canary');
  });

  it('a heartbeat looks into the HEARTBEAT.md of its agent and runs as that one', () => {
    configure({}, { heartbeat: { every: '30m' } });
    for (const agent of ['main', 'work']) {
      fs.mkdirSync(workspace(agent), { recursive: true });
      fs.writeFileSync(path.join(workspace(agent), 'HEARTBEAT.md'), `Look after what is of ${agent}.\n`);
    }
    say('hello');
    say(...WORK, 'hello');
    home.run(['heartbeat', 'run', '--agent', 'work']);
    expect(starts('main')).toHaveLength(1);
    const beat = lastStart('work');
    expect(beat).toMatchObject({ agent: 'work', cwd: fs.realpathSync(workspace('work')) });
    expect(beat.env).toMatchObject({ WORK_KEY: SECRETS.work[0], CLAW_ORIGIN: 'heartbeat' });
    expect(JSON.stringify(beat)).not.toMatch(/main-key|teller-token|of main/);
    // Where one agent has a block of its own, the others do not beat.
    expect(json('heartbeat', 'run', '--agent', 'main')).not.toMatchObject({ status: 'ok' });
    expect(starts('main')).toHaveLength(1);
  });
});

describe('a sub-agent', () => {
  it('has agent, workspace, environment and limits of who asked, and nothing of what was said', () => {
    home.run(['memory', 'add', 'the moon is called Selene']);
    say('the zebra is Ada');
    say('!claw sessions spawn the-moon --json');
    home.run(['tick']);
    const own = lastStart('main');
    expect(own).toMatchObject({ agent: 'main', cwd: fs.realpathSync(workspace('main')) });
    expect(own.env).toMatchObject({
      MAIN_KEY: SECRETS.main[0],
      TELLER_TOKEN: SECRETS.main[1],
      CLAW_HOPS: '2',
    });
    expect(own.env.CLAW_SESSION_KEY).toMatch(/^agent:main:subagent:/);
    expect(own.prompt).toContain('the-moon');
    expect(own.prompt).not.toMatch(/zebra|Selene/);
    const next = say('well?');
    expect(lastStart('main').prompt.match(/answered: main heard: the-moon/g)).toHaveLength(1);
    const told = home
      .transcripts()
      .get(`${next.sessionId}.jsonl`)!
      .filter(line => line.type === 'system_event');
    expect(told).toHaveLength(1);
    expect(home.transcripts('work').size).toBe(0);
  });

  it('sees its own session alone, no notes, and no other agent; it may not become another one', () => {
    say('the zebra is Ada');
    say(...WORK, 'the giraffe is Otto');
    const spawned = (order: string) => home.run(['sessions', 'spawn', `!claw ${order}`]).stdout;
    const replies = [
      'sessions list',
      'sessions search giraffe',
      'sessions history agent:work:main',
      'sessions spawn --agent work x',
    ]
      .concat([
        'sessions send agent:work:main hi',
        'memory search zebra',
        'config get agents',
        'ingest --agent work hi',
      ])
      .map(spawned);
    for (const reply of replies) expect(reply).not.toMatch(/Otto|Ada|work heard/);
    expect(replies[0]).not.toContain('agent:main:main');
    expect(replies.slice(2).map(reply => reply.split('\n')[0])).toEqual([
      'status 64',
      'status 77',
      'status 64',
      'status 77',
      'status 77',
      'status 77',
    ]);
    expect(starts('work')).toHaveLength(1);
  });

  it('reaches another agent only as session.agentToAgent says, and only its main session', () => {
    configure({ session: { reset: { mode: 'off' }, agentToAgent: { enabled: true, allow: ['work'] } } });
    say(...WORK, 'hello');
    say(...WORK, '--group', 'g1', '--mentioned', 'hello');
    const before = starts('work').length;
    const sent = say('!claw sessions send agent:work:main hi --reply reply').reply.text;
    expect(sent).toBe('status 0\nwork heard: hi');
    expect(starts('work')).toHaveLength(before + 1);
    expect(lastStart('work').env).not.toHaveProperty('MAIN_KEY');
    expect(lastStart('work').cwd).toBe(fs.realpathSync(workspace('work')));
    expect(say('!claw sessions send agent:work:slack:group:g1 hi').reply.text).toContain('status 64');
    expect(say('!claw sessions history agent:work:main').reply.text).toContain('status 64');
    expect(say('!claw sessions send agent:books:main hi').reply.text).toContain('status 64');
  });
});

describe('an agent inside its run', () => {
  it('changes and learns nothing of another one, by any command', () => {
    say(...WORK, 'the giraffe is Otto');
    home.run(['ingest', ...WORK, '!fail GIRAFFE']);
    home.run(['ingest', ...WORK, '--no-wait', 'a giraffe waits']);
    home.run([
      'cron',
      'add',
      '--agent',
      'work',
      '--name',
      'theirs',
      '--every',
      '1d',
      '--message',
      'feed the giraffe',
    ]);
    home.run(['system', 'event', '--agent', 'work', '--text', 'the giraffe is ill']);
    home.run(['memory', 'add', '--agent', 'work', 'the giraffe is ill']);
    say('hello');
    const { sessionId } = json('sessions', 'show', 'agent:work:main');
    const key = 'agent:work:main';
    const orders = [
      ...['show', 'history', 'export', 'reset', 'delete', 'compact'].flatMap(verb => [
        `sessions ${verb} ${key}`,
        `sessions ${verb} ${sessionId}`,
      ]),
      ...[
        `sessions patch ${key} --set model=x/y`,
        `sessions resume ${sessionId}`,
        'sessions export --store',
        'sessions --all-agents',
      ],
      ...[
        'sessions search Otto',
        'inbox list',
        'inbox retry all',
        'inbox drop all',
        'delivery list --all',
        'delivery drop all',
      ],
      ...[
        'cron list',
        'cron show theirs',
        'cron run theirs --force',
        'cron remove theirs',
        'cron edit theirs --message x',
        'cron disable theirs',
      ],
      ...[
        'cron add --agent work --name e --every 1d --message x',
        `cron add --name e --every 1d --session ${key} --message x`,
      ],
      ...[
        'system event --agent work --text x',
        `system event --session ${key} --text x`,
        'heartbeat run --agent work',
      ],
      ...[
        'memory list --agent work',
        'memory search --agent work giraffe',
        `logs --session ${key}`,
        `logs --session ${sessionId}`,
      ],
      ...[
        'status',
        'doctor',
        'tick --dry-run',
        'config show',
        'agents list',
        `message send --to ${key} --message x`,
      ],
      ...[`ingest --session ${key} hi`, 'ingest --agent work hi', 'ingest --channel slack --from u1 hi'],
      ...[`call sessions.get --params {"sessionKey":"${key}"}`, 'call cron.remove --params {"id":"theirs"}'],
    ];
    const [begun, before] = [starts('work').length, state()];
    const env = {
      CLAW_RUN_ID: 'r',
      CLAW_AGENT_ID: 'main',
      CLAW_SESSION_KEY: 'agent:main:main',
      CLAW_HOPS: '1',
    };
    for (const order of orders) {
      const run = home.run(order.split(' '), { env });
      expect([order, run.stdout + run.stderr]).toEqual([
        order,
        expect.not.stringMatching(/giraffe (?:is|waits)|feed/),
      ]);
    }
    expect(state()).toEqual(before);
    expect(starts('work')).toHaveLength(begun);

    function state() {
      const jobs = fs.readFileSync(home.path('cron', 'jobs.json'), 'utf8');
      const folders = ['agents/work', 'pending/work', 'events/work'].map(name => contents(home.path(name)));
      return [jobs, ...folders, everythingIn(workspace('work'))];
    }
  }, 60_000);
});

describe('a secret of an agent', () => {
  it('stands in no file, output or argument of another, nor in its own transcripts, logs and errors', () => {
    const outputs: string[] = [];
    const run = (...args: string[]) => {
      const { stdout, stderr } = home.run(args);
      outputs.push(stdout, stderr);
    };
    for (const who of [[], WORK]) {
      run('ingest', ...who, '!env MAIN_KEY TELLER_TOKEN WORK_KEY KEEPER_TOKEN');
      run('ingest', ...who, '!fail MAIN_KEY');
      run('ingest', ...who, '!fail WORK_KEY');
      run('ingest', ...who, '--stream', '!pieces TELLER_TOKEN');
      run('ingest', ...who, '--stream', '!pieces KEEPER_TOKEN');
      run('ingest', ...who, `!claw memory search x`);
    }
    for (const order of ['logs', 'inbox list', 'status', 'doctor', 'config show', 'agents list', 'tick'])
      run(...order.split(' '));
    for (const agent of ['main', 'work']) {
      run('sessions', 'history', `agent:${agent}:main`, '--tools');
      run('sessions', 'export', `agent:${agent}:main`, '--format', 'html');
      run('logs', '--session', `agent:${agent}:main`);
    }
    run('agents', 'test', 'work');
    expect(outputs.join('\n')).toContain('***');
    expect(outputs.join('\n')).not.toContain('canary');
    for (const agent of ['main', 'work'] as const)
      for (const start of starts(agent)) expect(start.cmdline + start.args.join()).not.toContain('canary');
    for (const name of fs.readdirSync(home.dir)) {
      // The configuration, and what is known of it, are where they stand.
      if (name === 'claw.json' || name === 'cache') continue;
      expect([name, everythingIn(home.path(name)).includes('canary')]).toEqual([name, false]);
    }
    for (const secret of SECRETS.main) expect(JSON.stringify(starts('work'))).not.toContain(secret);
    for (const secret of SECRETS.work) expect(JSON.stringify(starts('main'))).not.toContain(secret);
  }, 60_000);
});
