/** Agents whose program keeps the conversation itself: claw goes on with it, or tells it the history again. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home } from './claw.ts';
import { program } from './support.ts';

const CANARY = 'canary-4711-do-not-show';

let home: Home;
let folder: string;
beforeEach(() => {
  home = new Home();
  folder = path.join(home.folder, 'native');
  fs.mkdirSync(folder);
  configure();
});
afterEach(() => home.cleanUp());

const runner = (more: object = {}) => ({
  command: program('native.mjs'),
  args: [folder, '--id', '{{NativeSessionId}}'],
  resumeArgs: [folder, '--resume', '{{NativeSessionId}}'],
  asideArgs: [folder, '--aside'],
  context: 'native',
  output: 'jsonl',
  usage: 'cumulative',
  env: { AGENT_API_KEY: CANARY },
  pick: {
    text: { at: 'text', when: { type: 'reply' } },
    sessionId: { at: 'id', when: { type: 'start' } },
    error: { at: 'message', when: { type: 'error' } },
    inputTokens: 'usage.in',
    outputTokens: 'usage.out',
    delta: { at: 'text', when: { type: 'delta' } },
    toolCall: { at: 'name', when: { type: 'tool' } },
    thinking: { at: 'text', when: { type: 'thinking' } },
  },
  signs: { unknownSession: ['No conversation found'], contextOverflow: ['prompt is too long'] },
  ...more,
});

function configure(rest: { defaults?: object; runner?: object; config?: object } = {}): void {
  home.config({
    agents: { defaults: { runner: 'agent', ...rest.defaults } },
    runners: { agent: runner(rest.runner), second: runner(rest.runner) },
    ...rest.config,
  });
}

const mode = (word: string) => fs.writeFileSync(path.join(folder, 'mode'), word);
const starts = () =>
  fs
    .readFileSync(path.join(folder, 'starts'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
const say = (...args: string[]) => home.run(['ingest', '--json', ...args]);
const ends = () => [...home.transcripts().values()].flat().filter(entry => entry.type === 'turn_end');
const forget = () => {
  for (const name of fs.readdirSync(folder))
    if (name.startsWith('session-')) fs.rmSync(path.join(folder, name));
};

describe('a conversation that the program keeps', () => {
  it('goes on: the message alone, and its own tokens', () => {
    expect(say('one').json().reply.text).toBe('turn 1');
    expect(say('two').json().reply.text).toBe('turn 2');
    expect(starts().map(({ flag, prompt }) => [flag, prompt])).toEqual([
      ['--id', 'one'],
      ['--resume', 'two'],
    ]);
    expect(starts()[1].id).toBe(starts()[0].id);
    expect(ends().map(({ native }) => [native.how, native.id])).toEqual([
      ['new', starts()[0].id],
      ['resumed', starts()[0].id],
    ]);
    expect(ends().map(({ usage }) => usage.inputTokens)).toEqual([10, 10]);
  });

  it('P04 #61390: is begun anew, told the history, when the program does not know it any more; both are recorded', () => {
    say('my cat is Minka');
    forget();
    const run = say('who is my cat?');
    expect(run).toMatchObject({ status: 0, stderr: expect.stringContaining('unknown-session') });
    const [first, refused, seeded] = starts();
    expect([refused.flag, refused.prompt]).toEqual(['--resume', 'who is my cat?']);
    expect(seeded.flag).toBe('--id');
    expect(seeded.prompt).toMatch(/my cat is Minka[\s\S]*turn 1[\s\S]*who is my cat\?$/);
    expect(ends()[1].native).toMatchObject({
      how: 'seeded',
      reason: 'unknown-session',
      previousId: first.id,
      id: seeded.id,
    });
    expect(home.users()).toHaveLength(2);
    say('and now?');
    expect(starts().at(-1)).toMatchObject({ flag: '--resume', id: seeded.id, prompt: 'and now?' });
  });

  it('P04 #61420, #80905: an id that a failed run printed is not kept, and is not tried a second time', () => {
    say('one');
    mode('fail-as-other');
    expect(say('two').status).toBe(69);
    expect(starts()).toHaveLength(2);
    expect(ends()[1]).toMatchObject({ status: 'failed', output: expect.stringContaining('other-') });
    expect(ends()[1].native).not.toHaveProperty('id');
    mode('');
    say('three');
    expect(starts().at(-1)).toMatchObject({ flag: '--resume', id: starts()[0].id });
  });

  it('is begun anew when it has become too long for the model', () => {
    say('one');
    mode('too-long');
    expect(say('two').json()).toMatchObject({ status: 'replied', reply: { text: 'turn 1' } });
    expect(ends()[1].native).toMatchObject({ how: 'seeded', reason: 'context-overflow' });
  });

  it.each([
    ['runner-changed', { defaults: { runner: 'second' } }],
    ['workspace-changed', { defaults: { workspace: '~/elsewhere' } }],
    ['model-changed', { defaults: { model: 'opus' }, runner: { modelBound: true } }],
  ])('P05 #85177: %s drops it, with the reason, and tells the history', (reason, change) => {
    say('my cat is Minka');
    configure(change);
    say('who is my cat?');
    expect(ends()[1].native).toMatchObject({ how: 'seeded', reason, previousId: starts()[0].id });
    expect(starts()[1].prompt).toContain('Minka');
    expect(starts()[1].id).not.toBe(starts()[0].id);
  });

  it('R10 #131769: outlives failures, and is told what it missed', () => {
    say('one');
    mode('fail');
    expect(say('two').status).toBe(69);
    expect(say('three').status).toBe(69);
    mode('');
    expect(say('four').status).toBe(0);
    const last = starts().at(-1);
    expect(last).toMatchObject({ flag: '--resume', id: starts()[0].id });
    expect(last.prompt).toMatch(/two[\s\S]*three[\s\S]*four$/);
    expect(last.prompt).not.toContain('one');
  });

  it('is given up after three failures in a row', () => {
    say('one');
    mode('fail');
    for (const text of ['two', 'three', 'four']) say(text);
    mode('');
    say('five');
    expect(ends().at(-1).native).toMatchObject({ how: 'seeded', reason: 'failing' });
    expect(starts().at(-1).prompt).toContain('one');
  });

  it('ends with the session: after a reset there is a new one, and a resumed session has its own again', () => {
    const { sessionId } = say('one').json();
    say('/new', '--json');
    say('two');
    expect(starts().at(-1)).toMatchObject({ flag: '--id', prompt: 'two' });
    expect(starts().at(-1).id).not.toBe(starts()[0].id);
    expect(home.run(['sessions', 'resume', sessionId]).status).toBe(0);
    say('three');
    expect(starts().at(-1)).toMatchObject({ flag: '--resume', id: starts()[0].id });
  });

  it('is begun anew behind a turn whose process died in it', () => {
    say('my cat is Minka');
    mode('die-with-parent');
    home.run(['ingest', 'who is my cat?']);
    mode('');
    home.run(['tick']);
    expect(ends().at(-1)).toMatchObject({
      status: 'replied',
      native: { how: 'seeded', reason: 'interrupted' },
    });
    expect(starts().at(-1).prompt).toMatch(/Minka[\s\S]*who is my cat\?$/);
    expect(home.users()).toHaveLength(2);
  });

  it('#3188: an id that nobody asked for is not gone on with, unless the runner says so', () => {
    say('one');
    mode('other-id');
    expect(say('two').stderr).toContain('answered from other-');
    mode('');
    say('three');
    expect(ends().map(({ native }) => native.how)).toEqual(['new', 'resumed', 'seeded']);
    expect(starts().at(-1).prompt).toMatch(/one[\s\S]*two[\s\S]*three$/);
  });

  it('hears of what was said beside it', () => {
    say('one');
    const group = ['--channel', 'irc', '--group', 'g', '--from', 'ada'];
    say(...group, '--mentioned', 'hello all');
    say(...group, 'Ada likes tea');
    say(...group, '--mentioned', 'who likes tea?');
    expect(starts().at(-1).flag).toBe('--resume');
    expect(starts().at(-1).prompt).toMatch(
      /since your last answer[\s\S]*Ada likes tea[\s\S]*who likes tea\?$/,
    );
  });
});

describe('a heartbeat', () => {
  it('is asked in a session that is thrown away, with the history, and leaves the conversation alone', () => {
    say('my cat is Minka');
    const workspace = home.path('agents/main/workspace');
    fs.writeFileSync(path.join(workspace, 'HEARTBEAT.md'), '- look after the cat\n');
    mode('say HEARTBEAT_OK');
    expect(home.run(['heartbeat', 'run', '--json']).json()).toMatchObject({ status: 'ran' });
    expect(starts().at(-1)).toMatchObject({ flag: '--aside', prompt: expect.stringContaining('Minka') });
    mode('');
    say('two');
    expect(starts().at(-1)).toMatchObject({ flag: '--resume', id: starts()[0].id, prompt: 'two' });
  });
});

describe('a heartbeat that tells events', () => {
  it('leaves the conversation alone too, and what it said is told with the next message', () => {
    say('one');
    mode('say the cat is back');
    const event = ['system', 'event', '--text', 'the door opened', '--mode', 'now'];
    expect(home.run(event).status).toBe(0);
    home.run(['tick']);
    expect(starts().at(-1)).toMatchObject({
      flag: '--aside',
      prompt: expect.stringContaining('the door opened'),
    });
    mode('');
    say('two');
    expect(starts().at(-1)).toMatchObject({ flag: '--resume', id: starts()[0].id });
    expect(starts().at(-1).prompt).toMatch(/the cat is back[\s\S]*two$/);
  });
});

describe('what is seen while it runs', () => {
  it('pieces of the reply come as they are printed; tools and thoughts are recorded, and never told again', () => {
    const events = home.run(['ingest', '--stream', '--json', 'one']).lines();
    const told = events.filter(event => event.type === 'delta').map(event => event.text);
    expect(told.join('')).toBe('Let me look that up.\n\nturn 1');
    const lines = [...home.transcripts().values()].flat();
    expect(lines.filter(({ type }) => ['tool_call', 'thinking'].includes(type))).toMatchObject([
      { type: 'thinking', text: 'let me see' },
      { type: 'tool_call', name: 'read' },
    ]);
    forget();
    say('two');
    expect(starts().at(-1).prompt).not.toMatch(/let me see|read|look that up/);
  });

  it('silence stays silent', () => {
    mode('say NO_REPLY');
    const events = home.run(['ingest', '--stream', '--json', 'one']).lines();
    expect(JSON.stringify(events)).not.toContain('NO_REPLY');
  });
});

describe('a secret in the configuration', () => {
  it('Z03 #12182: is in no argument, transcript, log, reply or error', () => {
    mode('fail');
    const failed = say('one');
    mode('say the key is {key}');
    const told = say('what is your key?');
    expect(told.json().reply.text).toBe('the key is ***');
    const shown = home.run(['config', 'show', '--effective', '--json']);
    const tested = home.run(['agents', 'test', 'agent', '--json']);
    const outputs = [failed, told, shown, tested].map(run => run.stdout + run.stderr).join('\n');
    expect(failed.stdout + failed.stderr).toContain('***');
    expect(outputs).not.toContain(CANARY);
    expect(JSON.stringify(starts())).not.toContain(CANARY);
    const files = (fs.readdirSync(home.dir, { recursive: true }) as string[]).map(name => home.path(name));
    const holders = files.filter(
      file => fs.statSync(file).isFile() && fs.readFileSync(file, 'utf8').includes(CANARY),
    );
    // The file it stands in, and the copy of that which makes the next start quick.
    expect(holders.map(file => path.relative(home.dir, file)).sort()).toEqual([
      'cache/config.json',
      'claw.json',
    ]);
  });
});

describe('what /context and /status say', () => {
  it('is what was sent: history, system prompt and notes by their size, and the sum that the last turn came to', () => {
    const home = new Home();
    try {
      const note = path.join(home.folder, 'starts');
      home.config({
        agents: { defaults: { runner: 'agent', systemPrompt: 'You are terse. '.repeat(40) } },
        runners: { agent: { command: program('reader.mjs'), args: [note, '100000'] } },
      });
      for (const at of [1, 2, 3]) home.run(['ingest', `fact-${at} ${'word '.repeat(400)}`]);
      const lastStart = () => JSON.parse(fs.readFileSync(note, 'utf8').trim().split('\n').at(-1)!);
      const number = (text: string, name: string) => Number(new RegExp(`${name}: ([\\d.]+)`).exec(text)![1]);
      const context = home.run(['ingest', '/context list']).stdout;
      const status = home.run(['ingest', '/status']).stdout;
      home.run(['ingest', 'x']);
      // What the next turn was sent, the message aside.
      const sent = lastStart().tokens;
      const said = number(context, 'Context') * 1000;
      expect(said / sent).toBeGreaterThan(0.85);
      expect(said / sent).toBeLessThan(1.15);
      expect(number(status, 'Tokens') * 1000).toBeGreaterThan(sent * 0.85);
      expect(number(status, 'Tokens') * 1000).toBeLessThan(sent * 1.15);
      expect(number(context, 'system prompt') * 4).toBeGreaterThan(500);
      expect(context).toMatch(/^Context: .* estimated$/m);
    } finally {
      home.cleanUp();
    }
  });

  it('of a program that keeps its own session: what it reported, and what it has not heard yet', () => {
    configure({ runner: { usage: 'run', pick: { ...runner().pick, inputTokens: 'tokens' } } });
    mode('heavy');
    say('one');
    say('two');
    const context = home.run(['ingest', '/context detail']).stdout;
    expect(context).toMatch(/^Context: 2\.0k\/200k \(1%\)$/m);
    expect(context).toMatch(/^kept by agent in its session: 2\.0k, as it counted$/m);
    expect(context).toContain(starts()[0].id.slice(0, 20));
    expect(context).toMatch(/^history: none$/m);
    mode('fail');
    say('it did not hear this');
    expect(home.run(['ingest', '/context list']).stdout).toMatch(/^history: [1-9]/m);
  });
});

describe('what people write', () => {
  const group = ['--channel', 'irc', '--group', 'g', '--mentioned'];

  it('in a group comes with who wrote it, to programs that keep the conversation and to those that are told it', () => {
    say(...group, '--from', '5', '--from-name', 'Eve', 'I like tea');
    say(...group, '--from', '6', '--from-name', 'Al', 'What do I like?');
    expect(starts().map(({ prompt }) => prompt)).toEqual(['Eve: I like tea', 'Al: What do I like?']);
    home.config({ agents: { defaults: { runner: 'cat' } }, runners: { cat: { command: 'cat' } } });
    const told = say(...group, '--from', '5', '--from-name', 'Eve', 'And I?').json().reply.text;
    expect(told).toMatch(/Al: What do I like\?[\s\S]*\n\nEve: And I\?$/);
    home.config({
      agents: { defaults: { runner: 'cat' } },
      runners: { cat: { command: 'cat', context: 'none' } },
    });
    expect(say(...group, '--from', '5', '--from-name', 'Eve', 'And I?').json().reply.text).toBe('And I?');
  });

  it('alone comes as it is', () => {
    say('--channel', 'irc', '--from', '5', '--from-name', 'Eve', 'I like tea');
    expect(starts()[0].prompt).toBe('I like tea');
  });

  it('is no command of the program, and has it read no file; what claw sends it as its command is one', () => {
    configure({ runner: { expands: { commands: ['/'], files: true }, compactPrompt: '/compact' } });
    say('/status please');
    say('look at @/etc/passwd');
    home.run(['ingest', '/compact']);
    const [first, second, third] = starts().map(({ prompt }) => prompt);
    expect(first).toMatch(/^The new message[^/]*\/status please$/);
    expect(second).toBe('look at @\u2060/etc/passwd');
    expect(third).toBe('/compact');
  });
});

describe('a key that is set in the shell alone', () => {
  it('is named where the program is not logged in', () => {
    home.config({
      agents: { defaults: { runner: 'mine' } },
      runners: {
        mine: { preset: 'claude', command: program('say.sh'), args: ['', 'Not logged in', '1'] },
      },
    });
    const run = home.run(['ingest', 'hello'], { env: { ANTHROPIC_API_KEY: 'of-the-shell' } });
    expect(run.status).toBe(69);
    expect(run.stderr).toMatch(
      /try: .*ANTHROPIC_API_KEY of this shell is not passed on.*\n {2}then: claw inbox retry/,
    );
    expect(run.stderr).not.toContain('of-the-shell');
    expect(home.run(['ingest', 'hello']).stderr).not.toContain('not passed on');
  });
});
