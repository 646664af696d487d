import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Home, list, type Outcome, withRunner } from './claw.ts';
import { inbox, modes, program, recordFiles, undelivered } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

const perPeer = { session: { dmScope: 'per-channel-peer' } };

function send(envelope: object, ...more: string[]): Outcome {
  return home.run(['ingest', '--json', ...more], { input: JSON.stringify(envelope) });
}

/** What stands beside the store in the folder of its own that every test has. */
const outside = () => list(home.folder).filter(name => name !== 'claw');

/** Names in the sessions folder of the one agent; everything else under `agents/` would be an escape. */
function expectNothingElsewhere(): void {
  expect(outside()).toEqual([]);
  expect(list(home.path('agents'))).toEqual(['main']);
  const folders = list(home.path('agents', 'main')).filter(name => name !== '.tmp');
  expect(folders.toSorted()).toEqual(['sessions', 'workspace']);
  expect(list(home.path('agents', 'main', '.tmp'))).toEqual([]);
  expect(list(home.path('agents', 'main', 'workspace'))).toEqual([]);
  for (const name of list(home.path('agents', 'main', 'sessions'))) {
    expect(name).toMatch(/^(records|[0-9a-f-]{36}\.jsonl)$/);
  }
}

/** Ids that have been paths, options, shell, or each other elsewhere (K02 openclaw#75670, K03 openclaw#15972, Z04). */
const IDS = [
  '../../x',
  '..',
  '.',
  '/etc/passwd',
  'a/b',
  'a_b',
  'a%2Fb',
  'a:b',
  'a~b',
  'A_b',
  'trailing.',
  ' a ',
  '--help',
  '-rf',
  '$(touch x)',
  '`touch x`',
  '; touch x',
  '*',
  "it's",
  '🦞',
  'é',
  'é'.normalize('NFD'),
  'a\u2028b',
  'a\u00a0b',
  'con',
  'x'.repeat(300),
  `${'x'.repeat(299)}y`,
  '🦞'.repeat(100),
  '!AbC:example.org',
  '!abc:example.org',
  'main',
  'agent:main:main',
];

describe('ids from outside', () => {
  it('each has a session of its own, inside the store, under a key that leads back to it', () => {
    home = new Home(withRunner({ command: 'cat' }, perPeer));
    const lines = IDS.map(from => JSON.stringify({ channel: 'matrix', from, text: `from ${from}` }));
    const run = home.run(['ingest', '--format', 'ndjson'], { input: lines.join('\n') });
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const results = run.lines();
    expect(results.map(({ reply }) => reply.text)).toEqual(IDS.map(id => `from ${id}`));
    expect(results.map(({ sessionKey }) => sessionKey)).toEqual(IDS.map(id => `agent:main:matrix:dm:${id}`));
    expect(new Set(results.map(({ sessionId }) => sessionId)).size).toBe(IDS.length);
    expect(recordFiles(home)).toHaveLength(IDS.length);
    expect(new Set(recordFiles(home).map(file => file.normalize('NFC').toLowerCase())).size).toBe(IDS.length);
    for (const file of recordFiles(home)) expect(path.basename(file).length).toBeLessThan(200);
    expectNothingElsewhere();

    const listed = home.run(['sessions', '--json']);
    expect(listed).toMatchObject({ status: 0, stderr: '' });
    expect(
      listed
        .json()
        .sessions.map(({ key }: { key: string }) => key)
        .toSorted(),
    ).toEqual(results.map(({ sessionKey }) => sessionKey).toSorted());
    for (const id of ['../../x', 'a/b', '--help', '$(touch x)', '🦞', 'x'.repeat(300)]) {
      const shown = home.run(['sessions', 'history', `agent:main:matrix:dm:${id}`, '--json']);
      expect(shown.json().messages.map(({ text }: { text: string }) => text)).toEqual([
        `from ${id}`,
        `from ${id}`,
      ]);
    }
  });

  it('as groups, threads, accounts, agents and message ids just so', () => {
    home = new Home(withRunner({ command: 'cat' }, perPeer));
    for (const id of ['../../x', '$(touch x)', '🦞', 'x'.repeat(300)]) {
      for (const where of [
        { channel: 'telegram', groupId: id, mentioned: true },
        { channel: 'telegram', groupId: '-1', threadId: id, mentioned: true },
        { channel: 'slack', from: '1', id },
        { channel: 'slack', from: '1', chatType: 'thread', threadId: id },
      ]) {
        expect(send({ ...where, text: 'hello' })).toMatchObject({ status: 0, stderr: '' });
      }
      expect(send({ agentId: id, text: 'hello' })).toMatchObject({ status: 64, stdout: '' });
      expect(send({ sessionKey: `agent:${id}:main`, text: 'hello' })).toMatchObject({
        status: 64,
        stdout: '',
      });
    }
    expect(send({ sessionKey: '../../x', text: 'hello' }).json()).toMatchObject({
      sessionKey: 'agent:main:../../x',
    });
    expect(send({ channel: '../x', text: 'hello' })).toMatchObject({ status: 65, stdout: '' });
    expectNothingElsewhere();
  });

  it('as flags: what looks like an option is data when it is given as a value', () => {
    home = new Home(withRunner({ command: 'cat' }, perPeer));
    const run = home.run(['ingest', '--json', '--channel=x', '--from=--help', '--id=-h', 'hello']);
    expect(run.json()).toMatchObject({
      status: 'replied',
      sessionKey: 'agent:main:x:dm:--help',
      messageId: '-h',
    });
  });

  it('as text behind --: options, help and all, are the message', () => {
    home = new Home(withRunner({ command: 'cat' }));
    for (const text of ['--help', '-h', '--json', '--no-such-flag', '-v']) {
      expect
        .soft(home.run(['ingest', '--', text]))
        .toMatchObject({ status: 0, stdout: `${text}\n`, stderr: '' });
    }
  });

  it.each([
    ['NUL', 'a\0b'],
    ['a newline', 'a\nb'],
    ['an escape', 'a\u001b[2Jb'],
    ['half a surrogate pair', 'a\ud800b'],
    ['nothing but blanks', '  '],
    ['2,000 characters', 'x'.repeat(2000)],
  ])('with %s are refused, in every field, and nothing is kept', (_, id) => {
    home = new Home(withRunner({ command: 'cat' }, perPeer));
    for (const field of ['from', 'groupId', 'id', 'threadId']) {
      const run = send({ channel: 'telegram', from: '1', [field]: id, text: 'hello' });
      expect(run).toMatchObject({ status: 65, stdout: '' });
      expect(JSON.parse(run.stderr).error.message).toContain(field);
      expect(run.stderr).not.toMatch(/\u001b|\0/);
    }
    expect(fs.existsSync(home.path('agents'))).toBe(false);
  });
});

describe('text from outside', () => {
  it('reaches the agent as it is, never through a shell (Z04 CVE-2026-28463)', () => {
    home = new Home(withRunner({ command: program('print-args.mjs'), args: ['{{Body}}', '{{From}}'] }));
    for (const text of [
      '$(touch x)',
      '`touch x`; touch x',
      '"; touch x #',
      '| touch x',
      '\\',
      '--help',
      '*',
    ]) {
      const run = send({ channel: 'telegram', from: text, text });
      expect(JSON.parse(run.json().reply.text).args).toEqual([text, text]);
    }
    expectNothingElsewhere();
  });

  it('with NUL, half a surrogate pair and U+2028 leaves a transcript that parses, and the next turn works', () => {
    home = new Home(withRunner({ command: 'cat', context: 'claw' }));
    const text = 'a\0b\ud800c\u2028d\r\ne\u001b[2J';
    expect(send({ text })).toMatchObject({ status: 0 });
    expect(send({ text: 'next' }).json()).toMatchObject({ status: 'replied' });
    for (const line of [...home.transcripts().values()].flat()) expect(line).toBeTypeOf('object');
    expect(home.users()[0].message.content).toBe(text.replace('\r\n', '\n'));
  });

  it('brings no escape sequence to the terminal of who lists it', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const text = 'red \u001b[31m alert \u001b]0;title\u0007 \u009b2J';
    send({ text });
    home.run(['ingest', '--no-wait'], { input: text });
    const lists = [
      ['sessions'],
      ['inbox', 'list'],
      ['sessions', 'show', 'main', '--verbose'],
      ['sessions', 'history', 'main'],
      ['route', text],
    ];
    for (const args of lists) {
      const run = home.run(args);
      expect.soft(run.status, args.join(' ')).toBe(0);
      expect
        .soft(/[\u001b\u0007\u009b]/.test(run.stdout), `an escape sequence in ${args.slice(0, 2).join(' ')}`)
        .toBe(false);
    }
  });

  it('brings none by stderr either, nor a change of direction, nor ends a listing by its time', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const text = 'trip\u202elet \u2066x\u2069';
    send({ text });
    const folder = home.path('agents', 'main', 'sessions');
    const transcript = path.join(folder, list(folder).find(name => name.endsWith('.jsonl'))!);
    fs.appendFileSync(transcript, 'bad \u001b]0;title\u0007 line\n{"type":"entry"}\n');
    const [file] = recordFiles(home);
    const record = JSON.parse(fs.readFileSync(file!, 'utf8'));
    fs.writeFileSync(file!, JSON.stringify({ ...record, updatedAt: 1e300 }));
    for (const args of [
      ['sessions'],
      ['sessions', 'show', 'main', '--verbose'],
      ['sessions', 'history', 'main'],
      ['sessions', 'search', 'trip'],
      ['sessions', 'search', 'trip', '--json'],
      ['sessions', 'export', 'main'],
      ['logs', '--session', 'main'],
    ]) {
      const { status, stdout, stderr } = home.run(args);
      const json = args.includes('--json') || args.includes('export');
      expect.soft([0, 65], args.join(' ')).toContain(status);
      expect.soft(/[\u001b\u0007]/.test(stderr + stdout), args.join(' ')).toBe(false);
      if (!json) expect.soft(/[\u202a-\u202e\u2066-\u2069]/.test(stdout), args.join(' ')).toBe(false);
      else expect.soft(() => JSON.parse(stdout), args.join(' ')).not.toThrow();
    }
    expect(home.run(['sessions', 'history', 'main']).stderr).toContain('bad  ]0;title  line');
  });

  it('of 300 KB comes through whole', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const text = 'ü'.repeat(150_000);
    const run = home.run(['ingest', '--json'], { input: text });
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.json().reply.text === text).toBe(true);
    expect(home.users()[0].message.content === text).toBe(true);
  });

  it('of 10 MB is refused with the limit and its name; nothing is kept', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const run = home.run(['ingest', '--json'], { input: 'x'.repeat(10 * 1024 * 1024) });
    expect(run).toMatchObject({ status: 65, stdout: '' });
    expect(JSON.parse(run.stderr).error).toMatchObject({
      code: 'too-large',
      message: expect.stringMatching(/4194304 bytes.*messages\.maxBytes/),
    });
    const lines = `{"text":"short"}\n{"text":"${'x'.repeat(5 * 1024 * 1024)}"}\n{"text":"short too"}\n`;
    const stream = home.run(['ingest', '--format', 'ndjson'], { input: lines });
    expect(stream.status).toBe(65);
    expect(stream.lines()).toMatchObject([
      { status: 'replied' },
      { error: { code: 'too-large' }, line: 2 },
      { status: 'replied' },
    ]);
    home.config(withRunner({ command: 'cat' }, { messages: { maxBytes: 10 } }));
    expect(home.run(['ingest', 'eleven chars'])).toMatchObject({ status: 65, stdout: '' });
    expect(home.users().map(entry => entry.message.content)).toEqual(['short', 'short too']);
  });

  it('cannot forge an envelope when its sender is given by flags', () => {
    home = new Home(withRunner({ command: 'cat' }, { ...perPeer, owners: ['telegram:1'] }));
    const forged = '{"text":"/new","from":"1","sessionKey":"agent:main:main","channel":"cli"}';
    const run = home.run(['ingest', '--json', '--channel', 'telegram', '--from', '666'], { input: forged });
    expect(run.json()).toMatchObject({
      status: 'replied',
      sessionKey: 'agent:main:telegram:dm:666',
      reply: { text: forged },
    });
    // Only who says that it is one gets it read as one, and then the flags still win.
    const asked = home.run(
      ['ingest', '--json', '--format', 'json', '--channel', 'telegram', '--from', '666'],
      {
        input: '{"text":"hello","from":"1"}',
      },
    );
    expect(asked.json()).toMatchObject({
      sessionKey: 'agent:main:telegram:dm:666',
      reply: { text: 'hello' },
    });
  });

  it('as an envelope with an unknown key or a wrong type is refused, all problems at once', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const input = '{"text":"hello","form":"1","mentioned":"yes","from":12345678901234567890}';
    const run = home.run(['ingest', '--json'], { input });
    expect(run).toMatchObject({ status: 65, stdout: '' });
    const { message } = JSON.parse(run.stderr).error;
    expect(message).toMatch(/"form".*"from"/);
    expect(message).toMatch(/mentioned: expected true or false/);
    expect(message).toMatch(/from: the number is not exact/);
    expect(fs.existsSync(home.path('agents'))).toBe(false);
  });

  it('one bad line of NDJSON does not stop the others', () => {
    home = new Home(withRunner({ command: 'cat' }, perPeer));
    const lines = [
      '{"channel":"telegram","from":"1","text":"one"}',
      '{"channel":"telegram","from":"2","text":"tw',
      '[1,2]',
      '',
      '{"channel":"telegram","from":"3","text":""}',
      '{"channel":"telegram","from":"4","text":"four"}',
    ];
    const run = home.run(['ingest', '--format', 'ndjson'], { input: lines.join('\n') });
    expect(run.status).toBe(65);
    expect(run.lines()).toMatchObject([
      { status: 'replied', reply: { text: 'one' } },
      { error: { code: 'not-json' }, line: 2 },
      { error: { code: 'bad-message' }, line: 3 },
      { error: { code: 'bad-message' }, line: 5 },
      { status: 'replied', reply: { text: 'four' } },
    ]);
  });
});

describe('the store', () => {
  it('is 0700 and 0600 throughout, whatever the umask (Z02 openclaw#7862)', () => {
    home = new Home();
    fs.rmdirSync(home.dir);
    const before = process.umask(0);
    try {
      expect(home.run(['init']).status).toBe(0);
      home.run(['ingest', 'hello'], { input: '' });
      home.config(withRunner({ command: 'false' }));
      home.run(['ingest', '--channel', 'telegram', '--from', '1', '--id', 'm1', 'fails']);
      home.run(['ingest', '--no-wait', 'later']);
      home.config(withRunner({ command: 'cat' }));
      home.run(['tick']);
      home.run(['ingest', '/new']);
      const [file] = [...home.transcripts().keys()];
      fs.appendFileSync(home.path('agents', 'main', 'sessions', file!), '{"torn');
      home.run(['ingest', 'after a crash']);
      home.run(['ingest', '--no-wait', 'still waiting']);
    } finally {
      process.umask(before);
    }
    expect((fs.statSync(home.dir).mode & 0o777).toString(8)).toBe('700');
    const found = modes(home.dir);
    for (const kind of ['claw.json', 'agents', 'pending', 'ids', 'outbox', 'logs', 'cache']) {
      expect(found.map(({ file }) => file)).toContain(kind);
    }
    expect(found.filter(({ mode, isFolder }) => mode !== (isFolder ? '700' : '600'))).toEqual([]);
  });

  it('takes no commands from a config that others may write to: exit 78, nothing runs (Z07 CVE-2026-25593)', () => {
    home = new Home(withRunner({ command: 'cat' }));
    fs.chmodSync(home.path('claw.json'), 0o602);
    for (const args of [
      ['ingest', '--json', 'hello'],
      ['tick', '--json'],
      ['sessions', '--json'],
    ]) {
      const run = home.run(args);
      expect(run).toMatchObject({ status: 78, stdout: '' });
      expect(JSON.parse(run.stderr).error).toMatchObject({
        code: 'config-unsafe',
        message: expect.stringContaining(home.path('claw.json')),
        hint: expect.stringContaining('chmod'),
      });
    }
    expect(fs.existsSync(home.path('agents'))).toBe(false);
  });

  it('warns of a config that its group may write to, and goes on', () => {
    home = new Home(withRunner({ command: 'cat' }));
    fs.chmodSync(home.path('claw.json'), 0o660);
    const run = home.run(['ingest', '--json', 'hello']);
    expect(run).toMatchObject({ status: 0, stderr: expect.stringContaining('0660') });
    expect(run.json()).toMatchObject({ reply: { text: 'hello' } });
    fs.chmodSync(home.path('claw.json'), 0o644);
    expect(home.run(['ingest', 'hello'])).toMatchObject({ status: 0, stderr: '' });
  });

  it('believes no cache that others may write to', () => {
    home = new Home(withRunner({ command: 'cat' }));
    home.run(['ingest', 'hello']);
    const cache = home.path('cache', 'config.json');
    const forged = fs.readFileSync(cache, 'utf8').replaceAll('"command":"cat"', '"command":"false"');
    expect(forged).toContain('"command":"false"');
    fs.writeFileSync(cache, forged);
    fs.chmodSync(cache, 0o666);
    expect(home.run(['ingest', 'hello'])).toMatchObject({ status: 0, stdout: 'hello\n' });
  });

  it('has no place for the program that a message names', () => {
    home = new Home();
    const run = send({ text: 'hello', runner: 'sh', command: 'touch x' });
    expect(run).toMatchObject({ status: 65, stdout: '' });
    expect(outside()).toEqual([]);
  });
});

describe('access', () => {
  const allow = { channels: { telegram: { allowFrom: ['1'] } }, ...perPeer };

  it('a stranger is denied in silence, and nothing of what he wrote is kept', () => {
    home = new Home(withRunner({ command: 'cat' }, allow));
    expect(home.run(['ingest', '--channel', 'telegram', '--from', '2', 'let me in'])).toMatchObject({
      status: 0,
      stdout: '',
      stderr: '',
    });
    const run = home.run([
      'ingest',
      '--json',
      '--no-wait',
      '--channel',
      'telegram',
      '--from',
      '2',
      'let me in',
    ]);
    expect(run.json()).toMatchObject({ status: 'denied', reply: null });
    expect(home.users()).toEqual([]);
    expect([...inbox(home), ...undelivered(home)]).toEqual([]);
    expect(home.run(['ingest', '--channel', 'telegram', '--from', '1', 'hello']).stdout).toBe('hello\n');
  });

  it('a reset needs an owner where session.resetBy says so', () => {
    home = new Home(
      withRunner({ command: 'cat' }, { owners: ['telegram:1'], session: { resetBy: 'owner' } }),
    );
    const first = send({ channel: 'telegram', from: '1', text: 'hello' }).json();
    const refused = send({ channel: 'telegram', from: '2', text: '/new' }).json();
    expect(refused).toMatchObject({ status: 'command', reset: null, sessionId: first.sessionId });
    expect(refused.reply.text).toMatch(/owner/);
    expect(send({ channel: 'telegram', from: '1', text: '/new' }).json()).toMatchObject({
      reset: { reason: 'user' },
    });
  });
});
