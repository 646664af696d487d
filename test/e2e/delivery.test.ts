import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Home, withRunner } from './claw.ts';
import { ageBy, HOUR, recordFile, undelivered, until } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

const sentFile = () => path.join(home.folder, 'sent');
const sent = () =>
  fs.existsSync(sentFile()) ? fs.readFileSync(sentFile(), 'utf8').split('\n').filter(Boolean) : [];

/** A home whose channel telegram has a sender: a shell script, run with its text on stdin. */
function withSender(script: string): void {
  home = new Home();
  useSender(script);
}

function useSender(script: string, runner: object = { command: 'cat' }): void {
  const send = { command: 'sh', args: ['-c', script], env: { SENT: sentFile(), STORE: home.dir } };
  home.config(withRunner(runner, { channels: { telegram: { send } } }));
}

const NOTE = 'echo "$CLAW_CHANNEL $CLAW_TO: $(cat)" >> "$SENT"';

const say = (text: string, ...more: string[]) =>
  home.run(['ingest', '--json', '--channel', 'telegram', '--from', '!AbC:x', ...more, text]);

describe('--deliver', () => {
  it('sends the reply to where its message came from, as well as printing it; once, with the id byte for byte (K02 openclaw#75670)', () => {
    withSender(NOTE);
    expect(say('hello', '--id', 'm1', '--deliver').json()).toMatchObject({
      status: 'replied',
      reply: { text: 'hello' },
    });
    expect(sent()).toEqual(['telegram !AbC:x: hello']);
    expect(say('hello', '--id', 'm1', '--deliver').json()).toMatchObject({ status: 'duplicate' });
    home.run(['tick']);
    expect(sent()).toHaveLength(1);
    expect(undelivered(home)).toEqual([]);
  });

  it('to a group goes to the group', () => {
    withSender(NOTE);
    home.run([
      'ingest',
      '--channel',
      'telegram',
      '--group=-100',
      '--from',
      '1',
      '--mentioned',
      '--deliver',
      'hello',
    ]);
    expect(sent()).toEqual(['telegram -100: hello']);
  });

  it('without it, and of a silent reply, nothing is sent', () => {
    withSender(NOTE);
    say('hello');
    useSender(NOTE, { command: 'echo', args: ['NO_REPLY'] });
    expect(say('hello', '--deliver').json()).toMatchObject({ status: 'silent' });
    home.run(['tick']);
    expect(sent()).toEqual([]);
    expect(undelivered(home)).toEqual([]);
  });

  it('where the channel has no sender keeps the reply and says so', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const run = say('hello', '--deliver');
    expect(run.status).toBe(0);
    expect(run.stderr).toContain('channels.telegram.send');
    expect(undelivered(home)).toMatchObject([{ text: 'hello' }]);
  });

  it('a sender that asks for later is tried again, one that fails is not; neither is called sent (D06 openclaw#29106)', () => {
    withSender('exit 75');
    const run = say('hello', '--deliver');
    expect(run).toMatchObject({ status: 0, stderr: expect.stringMatching(/not sent/) });
    expect(undelivered(home)).toMatchObject([{ text: 'hello', state: 'waiting', attempts: [{}] }]);
    home.run(['tick']);
    expect(undelivered(home)).toMatchObject([{ attempts: [{}] }]); // not before its time
    useSender('echo "no such chat" >&2; exit 1');
    say('again', '--deliver');
    const dead = undelivered(home).find(({ text }) => text === 'again');
    expect(dead).toMatchObject({ state: 'dead', reason: expect.stringContaining('no such chat') });
  });

  it('the sender gets no variables but those it should, and an idempotency key', () => {
    withSender('env > "$SENT"');
    home.run(['ingest', '--channel', 'telegram', '--from', '1', '--deliver', 'hello'], {
      env: { SECRET_TOKEN: 'leaked' },
    });
    const env = sent();
    expect(env.some(line => line.startsWith('CLAW_DELIVERY_ID='))).toBe(true);
    expect(env.join('\n')).not.toContain('leaked');
  });
});

describe('a notice', () => {
  it('that the session was reset goes with the reply, whichever way that takes (R06 openclaw#96751)', () => {
    withSender(NOTE);
    say('yesterday');
    ageBy(recordFile(home), 50 * HOUR);
    expect(say('hello', '--deliver').json().notices).toHaveLength(1);
    expect.soft(sent().join('\n')).toMatch(/New session.*hello/s);
    ageBy(recordFile(home), 50 * HOUR);
    say('nobody waits', '--no-wait');
    home.run(['tick']);
    expect(sent().slice(1).join('\n')).toMatch(/New session.*nobody waits/s);
  });
});

describe('the place of a reply', () => {
  it('is that of its own message, not of the last one (D01 openclaw#14578)', () => {
    withSender(NOTE);
    const from = (sender: string) =>
      home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', sender, `from ${sender}`]);
    from('1');
    from('2');
    home.run(['tick']);
    expect(sent().toSorted()).toEqual(['telegram 1: from 1', 'telegram 2: from 2']);
  });

  it('is in the outbox before its sender is started (promise 4)', () => {
    withSender('cat "$STORE"/outbox/*.json > "$SENT"');
    say('hello', '--deliver');
    expect(JSON.parse(sent()[0]!)).toMatchObject({ text: 'hello', origin: { from: '!AbC:x' } });
  });
});

describe('claw delivery', () => {
  const FAIL = 'echo "no such chat" >&2; exit 1';
  const ids = () => undelivered(home).map(row => (row as unknown as { id: string }).id);

  it('retry sends what had failed for good, and drop takes it away and prints what it said (openclaw#126522)', () => {
    withSender(FAIL);
    say('one', '--deliver');
    say('two', '--deliver');
    const [one, two] = ids();
    expect(home.run(['delivery', 'retry', one!])).toMatchObject({
      status: 69,
      stderr: expect.stringContaining('no such chat'),
    });
    useSender(NOTE);
    home.run(['tick']);
    expect(sent()).toEqual([]); // dead is not tried by itself
    expect(home.run(['delivery', 'retry', one!])).toMatchObject({ status: 0 });
    expect(sent()).toEqual(['telegram !AbC:x: one']);
    expect(home.run(['delivery', 'retry', one!])).toMatchObject({
      status: 64,
      stderr: expect.stringContaining('was sent already'),
    });
    expect(home.run(['delivery', 'drop', two!]).stdout).toContain('two');
    expect(ids()).toEqual([]);
    expect(home.run(['delivery', 'drop', '../sent/x']).status).toBe(64);
    expect(home.run(['delivery', 'drop', 'all', '--json']).json()).toMatchObject({ count: 0 });
  });

  it('show prints the text in full; a reply whose caller was gone can be read and dropped', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const text = `first line\n${'long '.repeat(200)}end`;
    home.run(['ingest', '--no-wait', text]);
    home.run(['tick']);
    const [id] = ids();
    expect(home.run(['delivery', 'show', id!]).stdout).toContain(text);
    expect(home.run(['delivery', 'retry', 'all'])).toMatchObject({
      status: 69,
      stderr: expect.stringContaining('no sender'),
    });
    expect(home.run(['delivery', 'drop', id!]).stdout).toContain(text);
    expect(ids()).toEqual([]);
  });

  it('is for the operator: an agent retries and drops nothing', () => {
    withSender(FAIL);
    say('one', '--deliver');
    const env = { CLAW_RUN_ID: 'r', CLAW_AGENT_ID: 'main', CLAW_SESSION_KEY: 'agent:main:main' };
    for (const verb of ['retry', 'drop'])
      expect(home.run(['delivery', verb, 'all'], { env }).status).toBe(77);
    expect(ids()).toHaveLength(1);
  });

  it('leaves alone what is being sent right now', async () => {
    home = new Home();
    const gate = path.join(home.folder, 'gate');
    useSender(`echo started >> "$SENT"; while [ ! -e ${gate} ]; do sleep 0.02; done`);
    home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', '1', 'hello']);
    const tick = home.start(['tick']);
    await until('the sender runs', () => sent().length === 1);
    const [id] = ids();
    expect(home.run(['delivery', 'drop', id!])).toMatchObject({ status: 75, stdout: '' });
    expect(home.run(['delivery', 'retry', id!])).toMatchObject({ status: 69 });
    fs.writeFileSync(gate, '');
    await tick.done;
    expect(sent()).toHaveLength(1);
    expect(ids()).toEqual([]);
  });
});

describe('records of what was sent', () => {
  it('go after retention.deliveries, and nothing else does', () => {
    withSender(NOTE);
    say('old', '--deliver');
    say('new', '--deliver');
    useSender('exit 1');
    say('failed', '--deliver');
    const folder = home.path('outbox', 'sent');
    for (const name of fs.readdirSync(folder)) {
      const item = JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
      const days = item.text === 'old' ? 31 : 29;
      const then = Date.now() - days * 24 * HOUR;
      fs.writeFileSync(path.join(folder, name), JSON.stringify({ ...item, createdAt: then, sentAt: then }));
      // As after a crash between the two steps of recording it.
      if (item.text === 'old') fs.copyFileSync(path.join(folder, name), home.path('outbox', name));
    }
    fs.writeFileSync(path.join(folder, 'broken.json'), '{');
    home.run(['tick']);
    const left = home.run(['delivery', 'list', '--all', '--json']);
    expect(left.status).toBe(65);
    expect(left.json().deliveries.map((row: { text: string }) => row.text)).toEqual(['new', 'failed']);
    expect(fs.existsSync(path.join(folder, 'broken.json'))).toBe(true);
    expect(sent()).toHaveLength(2);
  });
});
