import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import directiveVectors from '../fixtures/vectors/directives.json' with { type: 'json' };
import sendVectors from '../fixtures/vectors/send-policy.json' with { type: 'json' };
import { Home, type Outcome } from './claw.ts';
import {
  ageBy,
  contents,
  gated,
  HOUR,
  MINUTE,
  program,
  recordFile,
  recordFiles,
  undelivered,
  until,
} from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

type Document = any;

const quietHour = (new Date().getUTCHours() + 12) % 24;
const CONFIG = {
  owners: ['telegram:1'],
  models: { opus: 'anthropic/claude-opus' },
  agents: { defaults: { runner: 'agent', model: 'openai/gpt' } },
  session: { reset: { atHour: quietHour } },
};

/** A home whose agent answers with what it was told and notes with which model and thinking level it was started. */
function open(config: object = {}): void {
  home = new Home();
  const runner = {
    command: program('note-settings.sh'),
    args: [path.join(home.folder, 'started'), '{{Model}}', '{{ThinkingLevel}}'],
    context: 'none',
  };
  home.config({ ...CONFIG, runners: { agent: runner }, ...config });
}

/** Model and thinking level of every run, oldest first. */
const started = (): string[] => {
  const file = path.join(home.folder, 'started');
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split(/ *\n/).filter(Boolean) : [];
};

const ANNA = ['--channel', 'telegram', '--from', '1'];
const GROUP = ['--channel', 'telegram', '--group=-100', '--from', '1', '--mentioned'];

function say(text: string, ...from: string[]): Document {
  const run = home.run(['ingest', '--json', ...(from.length > 0 ? from : ANNA), text]);
  expect(run).toMatchObject({ status: 0, stderr: '' });
  return run.json();
}

const shown = (key = 'main'): Document => home.run(['sessions', 'show', key, '--json']).json();
const setting = (name: string, key = 'main') => shown(key).settings[name];

/** Commands as the transcripts have them. */
const commands = () => [...home.transcripts().values()].flat().filter(entry => entry.type === 'command');

describe('a directive alone', () => {
  it.each<[string, Record<string, string | number>]>([
    ['/model anthropic/claude-opus', { model: 'anthropic/claude-opus' }],
    ['/model opus', { model: 'anthropic/claude-opus' }],
    ['/opus', { model: 'anthropic/claude-opus' }],
    ['/model somebody/unheard-of', { model: 'somebody/unheard-of' }],
    ['/think high', { thinkingLevel: 'high' }],
    ['/thinking: low', { thinkingLevel: 'low' }],
    ['/t xhigh', { thinkingLevel: 'xhigh' }],
    ['/verbose on', { verboseLevel: 'on' }],
    ['/v off', { verboseLevel: 'off' }],
    ['/reasoning stream', { reasoningLevel: 'stream' }],
    ['/elevated ask', { elevated: 'ask' }],
    ['/queue followup', { queueMode: 'followup' }],
    [
      '/queue collect debounce:2s cap:5 drop:old',
      { queueMode: 'collect', queueDebounceMs: 2000, queueCap: 5, queueDrop: 'old' },
    ],
    [
      '/think high /verbose on\n/model opus',
      { thinkingLevel: 'high', verboseLevel: 'on', model: 'anthropic/claude-opus' },
    ],
  ])('%j is kept and acknowledged, and no agent is asked', (text, settings) => {
    open();
    const answer = say(text);
    expect(answer).toMatchObject({ status: 'command', sessionKey: 'agent:main:main' });
    for (const value of Object.values(settings))
      expect(answer.reply.text).toContain(value === 2000 ? '2s' : String(value));
    const { settings: held } = shown();
    for (const [name, value] of Object.entries(settings))
      expect([name, held[name]]).toEqual([name, { value, source: 'session' }]);
    expect(started()).toEqual([]);
    expect(commands()).toMatchObject([{ text, reply: answer.reply.text, settings }]);
    expect(home.users()).toEqual([]);
  });

  it.each(['/think default', '/model default', '/verbose inherit', '/queue reset'])(
    '%j takes a setting back, and only that',
    text => {
      open();
      for (const each of ['/think high', '/model opus', '/verbose on', '/queue followup cap:3']) say(each);
      const before = shown().settings;
      expect(say(text).status).toBe('command');
      const after = shown().settings;
      const changed = Object.keys(before).filter(
        name => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
      );
      expect(changed.length).toBeGreaterThan(0);
      for (const name of changed) {
        expect(text).toContain(
          { thinkingLevel: 'think', model: 'model', verboseLevel: 'verbose' }[name] ?? 'queue',
        );
        expect(after[name].source).not.toBe('session');
      }
    },
  );

  it('that is a question or mistyped says what there is, and changes nothing', () => {
    open();
    say('/think high');
    for (const [text, words] of [
      ['/think', /high/],
      ['/think very', /"very".*\n.*high/s],
      ['/model', /openai\/gpt[\s\S]*opus/],
      ['/verbose loud', /on, off/],
      ['/queue cap:0', /Usage: \/queue/],
      ['/send maybe', /Usage: \/send/],
    ] as const) {
      const answer = say(text);
      expect(answer.status).toBe('command');
      expect(answer.reply.text).toMatch(words);
    }
    expect(setting('thinkingLevel')).toEqual({ value: 'high', source: 'session' });
    expect(setting('verboseLevel').source).toBe('default');
    expect(started()).toEqual([]);
  });

  it('is answered in plain text with its acknowledgement alone', () => {
    open();
    const run = home.run(['ingest', ...ANNA, '/think high']);
    expect(run).toMatchObject({ status: 0, stdout: 'Thinking level: high.\n', stderr: '' });
  });

  it('is answered once: coming again, it changes nothing that was set since', () => {
    open();
    say('/think high', ...ANNA, '--id', 'a');
    say('/think low', ...ANNA, '--id', 'b');
    expect(say('/think high', ...ANNA, '--id', 'a').status).toBe('duplicate');
    expect(setting('thinkingLevel').value).toBe('low');
    expect(commands()).toHaveLength(2);
  });
});

describe('a directive inside a text', () => {
  it('is taken out and holds for that message', () => {
    open();
    expect(say('/think high why is\n  the sky blue?')).toMatchObject({
      status: 'replied',
      reply: { text: 'why is\n  the sky blue?' },
    });
    expect(say('and /model opus now').reply.text).toBe('and now');
    expect(say('plain').reply.text).toBe('plain');
    expect(started()).toEqual(['openai/gpt high', 'anthropic/claude-opus', 'openai/gpt']);
    expect(setting('thinkingLevel').source).toBe('default');
    // The transcript keeps what was written.
    expect(home.users()[0].message.content).toBe('/think high why is\n  the sky blue?');
  });

  it.each([
    'explain /status to me',
    'please /send off',
    '/status please',
    'say `/think high` aloud',
    'look at src/think high',
    '/think very hard about it',
  ])('%j is text', text => {
    open();
    expect(say(text)).toMatchObject({ status: 'replied', reply: { text } });
    expect(started()).toEqual(['openai/gpt']);
  });

  it('sticks until the next reset where inlineDirectives is sticky', () => {
    open({ messages: { inlineDirectives: 'sticky' } });
    say('/verbose on');
    expect(say('/think high first').reply.text).toBe('first');
    say('second');
    expect(setting('thinkingLevel')).toEqual({ value: 'high', source: 'session' });
    ageBy(recordFile(home), 25 * HOUR);
    expect(say('third')).toMatchObject({ reset: { reason: 'daily' } });
    expect(started()).toEqual(['openai/gpt high', 'openai/gpt high', 'openai/gpt']);
    expect(setting('thinkingLevel').source).toBe('default');
    expect(setting('verboseLevel')).toEqual({ value: 'on', source: 'session' });
  });

  it('sticky, in a message that begins the session anew, belongs to the new one', () => {
    open({ messages: { inlineDirectives: 'sticky' } });
    say('hello');
    expect(say('/new /think high hello')).toMatchObject({ status: 'replied', reply: { text: 'hello' } });
    say('and on');
    expect(started()).toEqual(['openai/gpt', 'openai/gpt high', 'openai/gpt high']);
  });
});

it('inline goes before session, session before agent, agent before defaults', () => {
  open({
    agents: {
      defaults: { runner: 'agent', model: 'd/defaults', thinkingLevel: 'minimal' },
      list: [
        { id: 'main', default: true },
        { id: 'work', model: 'a/agent', thinkingLevel: 'low' },
      ],
    },
    models: { s: 's/session', i: 'i/inline' },
  });
  const work = [...ANNA, '--agent', 'work'];
  const key = 'agent:work:main';
  say('hello');
  say('hello', ...work);
  expect([setting('model'), setting('model', key)]).toEqual([
    { value: 'd/defaults', source: 'defaults' },
    { value: 'a/agent', source: 'agent' },
  ]);
  say('/model s/session', ...work);
  say('/think medium', ...work);
  say('hello', ...work);
  expect([setting('model', key), setting('thinkingLevel', key)]).toEqual([
    { value: 's/session', source: 'session' },
    { value: 'medium', source: 'session' },
  ]);
  expect(say('/think xhigh /model i/inline hello', ...work).reply.text).toBe('hello');
  say('hello', ...work);
  say('hello');
  expect(started()).toEqual([
    'd/defaults minimal',
    'a/agent low',
    's/session medium',
    'i/inline xhigh',
    's/session medium',
    'd/defaults minimal',
  ]);
});

describe('a model behind a trigger', () => {
  it('/new opus begins a session with it; it stays beyond the next reset', () => {
    open();
    say('hello');
    const answer = say('/new opus');
    expect(answer).toMatchObject({ status: 'command', isNewSession: true, reset: { reason: 'user' } });
    expect(setting('model')).toEqual({ value: 'anthropic/claude-opus', source: 'session' });
    expect(say('/new opus what now').reply.text).toBe('what now');
    say('/new');
    say('and on');
    expect(started()).toEqual(['openai/gpt', 'anthropic/claude-opus', 'anthropic/claude-opus']);
  });
});

describe('commands', () => {
  const asked: [string, RegExp][] = [
    [
      '/status',
      /agent:main:main[\s\S]*openai\/gpt[\s\S]*[\d.]+k\/200k \(0%\)[\s\S]*compactions: 0[\s\S]*daily at/,
    ],
    ['/help', /\/new[\s\S]*\/status/],
    ['/commands', /\/context detail[\s\S]*\/opus/],
    ['/whoami', /telegram[\s\S]*Id: 1\nOwner: yes/],
    ['/usage', /Tokens of this session/],
    ['/context list', /history/],
    ['/context detail', /history/],
    ['/stop', /Nothing is running/],
  ];

  it.each(asked)('%s is answered without an agent', (text, words) => {
    open();
    say('hello');
    expect(say(text)).toMatchObject({
      status: 'command',
      reply: { text: expect.stringMatching(words) },
      isNewSession: false,
    });
    expect(started()).toHaveLength(1);
  });

  it('under a key that has no session yet they are answered too', () => {
    open();
    for (const [index, [text]] of asked.entries()) {
      const answer = say(text, '--channel', 'telegram', '--from', '1', '--session', `fresh-${index}`);
      expect([text, answer.status, typeof answer.reply?.text]).toEqual([text, 'command', 'string']);
    }
    expect(started()).toEqual([]);
  });

  it('neither reset a stale session nor keep one alive', () => {
    open({ session: { reset: { mode: 'idle', idleMinutes: 60 } } });
    const first = say('hello');
    ageBy(recordFile(home), 90 * MINUTE);
    for (const [text] of asked)
      expect(say(text)).toMatchObject({ status: 'command', sessionId: first.sessionId, reset: null });
    expect(say('/think high')).toMatchObject({ sessionId: first.sessionId, reset: null });
    expect(say('/status').reply.text).toMatch(/due \(idle\)/);
    expect(say('hello again')).toMatchObject({
      reset: { reason: 'idle', previousSessionId: first.sessionId },
      isNewSession: true,
    });
    expect(setting('thinkingLevel')).toEqual({ value: 'high', source: 'session' });
  });

  it('tell the surface', () => {
    open();
    expect(
      home
        .run(['ingest', '--json'], {
          input: JSON.stringify({ channel: 'telegram', from: '1', surface: 'ios', text: '/status' }),
        })
        .json().reply.text,
    ).toContain('Surface: ios');
  });

  it('read nothing of the history into the next prompt', () => {
    home = new Home();
    const gate = gated(home, {}, { context: 'claw' });
    home.run(['ingest', 'hello']);
    home.run(['ingest', '/status']);
    home.run(['ingest', 'and on']);
    expect(gate.prompts()).toHaveLength(2);
    expect(gate.prompts()[1]).toContain('hello');
    expect(gate.prompts()[1]).not.toMatch(/\/status|Session: agent/);
  });

  it('that are turned off are text', () => {
    open({ commands: { disabled: ['status', '/think'] } });
    for (const text of ['/status', '/think high'])
      expect(say(text)).toMatchObject({ status: 'replied', reply: { text } });
    expect(say('/help').reply.text).not.toContain('/status');
    home.config({
      ...JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8')),
      commands: { text: false },
    });
    expect(say('/help')).toMatchObject({ status: 'replied', reply: { text: '/help' } });
  });
});

describe('/send off', () => {
  const sentFile = () => path.join(home.folder, 'sent');
  const sent = () =>
    fs.existsSync(sentFile()) ? fs.readFileSync(sentFile(), 'utf8').trim().split('\n') : [];
  /** As `open`, with a sender for telegram that notes what it sends. */
  function withSender(config: object = {}): void {
    open();
    const send = {
      command: 'sh',
      args: ['-c', 'cat >> "$SENT"; echo >> "$SENT"'],
      env: { SENT: sentFile() },
    };
    const base = JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8'));
    home.config({ ...base, channels: { telegram: { send } }, ...config });
  }
  const text = (...args: string[]): Outcome => home.run(['ingest', ...ANNA, ...args]);

  it('stops the sending, not the thinking; what is said of it, JSON carries', () => {
    withSender();
    expect(text('--deliver', 'before')).toMatchObject({ status: 0, stdout: 'before\n' });
    expect(text('/send off').stdout).toBe('Sending: off.\n');
    expect(text('--deliver', 'held back')).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(say('also held back', ...ANNA, '--deliver')).toMatchObject({
      status: 'replied',
      reply: { text: 'also held back' },
      delivery: { decision: 'deny', rule: '/send off' },
    });
    home.run(['tick']);
    expect(started()).toHaveLength(3);
    expect(home.replies().map(entry => entry.message.content)).toEqual([
      'before',
      'held back',
      'also held back',
    ]);
    expect(sent()).toEqual(['before']);
    expect(undelivered(home)).toEqual([]);

    expect(text('/send on').stdout).toBe('Sending: on.\n');
    expect(text('--deliver', 'after').stdout).toBe('after\n');
    expect(sent()).toEqual(['before', 'after']);
  });

  it('holds back what is streamed as well', () => {
    withSender();
    text('/send off');
    expect(text('--stream', 'hello')).toMatchObject({ status: 0, stdout: '' });
  });

  it('still answers commands, through the sender too, so that it can be undone', () => {
    withSender();
    text('/send off');
    expect(text('/status').stdout).toMatch(/Sending: off \(\/send off\)/);
    text('--deliver', '/whoami');
    expect(sent().join('\n')).toContain('Owner: yes');
    expect(text('/send inherit').stdout).toMatch(/^Sending: back to the default/);
    expect(text('hello').stdout).toBe('hello\n');
  });

  it('holds the notice of a reset back with the reply', () => {
    withSender();
    text('hello');
    text('/send off');
    ageBy(recordFile(home), 25 * HOUR);
    const run = text('--deliver', 'the next day');
    expect(run).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(started()).toHaveLength(2);
    home.run(['tick']);
    expect(sent()).toEqual([]);
  });

  it.each<[string, object, [string[], boolean][]]>([
    [
      'by channel',
      { rules: [{ action: 'deny', match: { channel: 'telegram' } }] },
      [
        [ANNA, false],
        [['--channel', 'discord', '--from', '1'], true],
      ],
    ],
    [
      'by type of chat',
      { rules: [{ action: 'deny', match: { chatType: 'group' } }] },
      [
        [ANNA, true],
        [GROUP, false],
      ],
    ],
    [
      'by the beginning of the key, everything else denied',
      { rules: [{ action: 'allow', match: { keyPrefix: 'telegram:group:' } }], default: 'deny' },
      [
        [ANNA, false],
        [GROUP, true],
      ],
    ],
    [
      'a rule that denies wins over one that allows',
      { rules: [{ action: 'allow' }, { action: 'deny', match: { chatType: 'dm' } }] },
      [
        [ANNA, false],
        [GROUP, true],
      ],
    ],
  ])('rules of the config: %s', (_, sendPolicy, cases) => {
    withSender({ session: { sendPolicy } });
    for (const [from, allowed] of cases) {
      const run = home.run(['ingest', ...from, 'hello']);
      expect([from, run.status, run.stdout]).toEqual([from, 0, allowed ? 'hello\n' : '']);
    }
    expect(started()).toHaveLength(cases.length);
  });

  it('/send on goes before a rule that denies', () => {
    withSender({ session: { sendPolicy: { default: 'deny' } } });
    expect(text('hello').stdout).toBe('');
    text('/send on');
    expect(text('hello').stdout).toBe('hello\n');
  });
});

describe('/activation', () => {
  const chatter = (text: string): Document => say(text, ...GROUP.slice(0, -1));

  it('always: a group is answered without being mentioned; mention: only then again', () => {
    open();
    expect(chatter('hello').status).toBe('recorded');
    expect(say('/activation always', ...GROUP)).toMatchObject({ status: 'command' });
    expect(chatter('hello')).toMatchObject({ status: 'replied' });
    const route = home.run(['route', '--json', ...GROUP.slice(0, -1), 'hello']).json();
    expect(route).toMatchObject({ activation: { mode: 'always', respond: true }, action: 'run' });
    // Another group is not meant.
    expect(say('hello', '--channel', 'telegram', '--group=-200', '--from', '1').status).toBe('recorded');
    expect(chatter('/activation mention').status).toBe('command');
    expect(chatter('hello').status).toBe('recorded');
  });

  it('stays over a reset', () => {
    open();
    say('/activation always', ...GROUP);
    say('/new', ...GROUP);
    expect(chatter('hello').status).toBe('replied');
  });
});

describe('messages.responsePrefix', () => {
  it('stands before what people get, never in the transcript or in a prompt', () => {
    home = new Home();
    const gate = gated(home, {}, { context: 'claw' });
    const base = JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8'));
    home.config({ ...base, ...CONFIG, messages: { responsePrefix: '[{model}|{think}]' } });
    expect(home.run(['ingest', ...ANNA, '/think high hello']).stdout).toBe('[gpt|high] hello\n');
    expect(say('/model opus').reply.text).not.toContain('[');
    const second = say('and on').reply.text;
    expect(second).toMatch(/^\[claude-opus\|\{think\}\] /);
    expect(home.replies()[0].message.content).toBe('hello');
    expect(gate.prompts()[1]).not.toContain('[gpt');
    expect(home.run(['ingest', '--stream', ...ANNA, 'streamed']).stdout).toMatch(/^\[claude-opus/);
  });

  it('auto is the name of the agent', () => {
    open({
      agents: { defaults: { runner: 'agent' }, list: [{ id: 'main', identity: { name: 'Molty' } }] },
      messages: { responsePrefix: 'auto' },
    });
    expect(home.run(['ingest', ...ANNA, 'hello']).stdout).toBe('[Molty] hello\n');
  });
});

describe('settings', () => {
  it('of one session are of no other', () => {
    open();
    say('/think high', ...GROUP);
    say('hello');
    expect(setting('thinkingLevel').source).toBe('default');
    expect(setting('thinkingLevel', 'telegram:group:-100')).toEqual({ value: 'high', source: 'session' });
    expect(started()).toEqual(['openai/gpt']);
  });

  it('survive every kind of reset, and are told by /status (R15 openclaw#92562)', () => {
    open({ session: { reset: { atHour: quietHour, idleMinutes: 60 } } });
    say('hello');
    for (const text of ['/think high', '/model opus', '/verbose on', '/queue followup', '/elevated on'])
      say(text);
    const before = shown().settings;
    for (const [ms, reason] of [
      [25 * HOUR, /daily|idle/],
      [2 * HOUR, /daily|idle/],
    ] as const) {
      ageBy(recordFiles(home)[0]!, ms);
      expect(say('hello').reset.reason).toMatch(reason);
    }
    expect(say('/reset').reset.reason).toBe('user');
    expect(shown().settings).toEqual(before);
    expect(say('/status').reply.text).toMatch(/thinking level high \(session\)/);
  });

  it('that cannot be read: the message is kept, the file is left, and it is answered when it is whole again', () => {
    open();
    say('/think high');
    const folder = home.path('agents', 'main', 'sessions', 'settings');
    const file = path.join(folder, fs.readdirSync(folder).find(name => name.endsWith('.json'))!);
    const whole = fs.readFileSync(file);
    fs.writeFileSync(file, whole.subarray(0, 30));
    const before = contents(folder);
    const run = home.run(['ingest', '--json', ...ANNA, 'hello']);
    expect(run.status).toBe(0);
    expect(run.json()).toMatchObject({ status: 'queued', reason: expect.stringContaining(file) });
    expect(contents(folder)).toEqual(before);
    expect(started()).toEqual([]);
    fs.writeFileSync(file, whole);
    home.run(['tick']);
    expect(started()).toEqual(['openai/gpt high']);
  });
});

describe('conformance vectors', () => {
  interface Vector {
    id: string;
    given: {
      op: string;
      config?: object;
      store?: Record<string, Record<string, unknown>>;
      message?: { Body: string; ChatType?: string; From?: string; Provider?: string };
    };
    expect: {
      agentRun?: boolean;
      replyContains?: string[];
      entry?: Record<string, string | number | null>;
      run?: { prompt?: string; thinkLevel?: string };
    };
  }
  const vectors = ([...directiveVectors, ...sendVectors] as unknown as Vector[]).filter(
    ({ given }) => given.op === 'apply',
  );

  /** How a session comes to what a vector's store holds. */
  const GIVEN: Record<string, (value: unknown) => string> = {
    queueMode: value => `/queue ${value}`,
    queueCap: value => `/queue cap:${value}`,
    sendPolicy: value => `/send ${value === 'deny' ? 'off' : 'on'}`,
  };

  it('there are some', () => {
    expect(vectors.map(({ id }) => id)).toEqual(
      expect.arrayContaining([
        'dr-086',
        'dr-092',
        'dr-094',
        'dr-096',
        'dr-099',
        'dr-101',
        'dr-102',
        'dr-104',
        'sp-023',
      ]),
    );
  });

  it.each(vectors)('$id', ({ given, expect: wanted }) => {
    home = new Home();
    const gate = gated(home, { owners: ['whatsapp:+49', 'whatsapp:123@g.us'] });
    const { Body, ChatType } = given.message!;
    const from =
      ChatType === 'group'
        ? ['--channel', 'whatsapp', '--group', '123@g.us', '--from', '+49', '--mentioned']
        : ['--channel', 'whatsapp', '--from', '+49'];
    for (const stored of Object.values(given.store ?? {}))
      for (const [name, value] of Object.entries(stored)) if (GIVEN[name]) say(GIVEN[name](value), ...from);
    const answer = say(Body, ...from);
    expect(gate.runs()).toHaveLength(wanted.agentRun ? 1 : 0);
    for (const words of wanted.replyContains ?? []) expect(answer.reply.text).toContain(words);
    const { settings } = shown(answer.sessionKey);
    const own = (name: string) => (settings[name]?.source === 'session' ? settings[name].value : null);
    const { providerOverride, modelOverride, ...entry } = wanted.entry ?? {};
    for (const [name, value] of Object.entries(entry)) expect([name, own(name)]).toEqual([name, value]);
    if (modelOverride) expect(own('model')).toBe(`${providerOverride}/${modelOverride}`);
    if (wanted.run) {
      expect(gate.prompts()).toEqual([wanted.run.prompt]);
      expect(settings.thinkingLevel.value).toBe(
        wanted.run.thinkLevel === 'off' ? null : wanted.run.thinkLevel,
      );
    }
  });
});

it('a directive to a busy session is answered at once', async () => {
  home = new Home();
  const gate = gated(home);
  gate.close();
  const first = home.start(['ingest', '--json', 'first']);
  await gate.begun();
  expect(home.run(['ingest', '/think high'])).toMatchObject({ status: 0, stdout: 'Thinking level: high.\n' });
  gate.open();
  await first.done;
  await until('its line stands in the transcript', () => commands().length === 1);
});
