import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Home, list, type Outcome, withRunner } from './claw.ts';
import {
  contents,
  inbox,
  readRecord,
  recordFile,
  recordFiles,
  transcriptFile,
  undelivered,
} from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

const perPeer = { session: { dmScope: 'per-peer', reset: { mode: 'off' } } };

/** A home with sessions of the people 1, 2 and 3, each with one exchange. */
function withThreeSessions(): void {
  home = new Home(withRunner({ command: 'cat' }, perPeer));
  for (const person of ['1', '2', '3']) say(person, `hello from ${person}`);
}

function say(person: string, text: string, ...more: string[]): Outcome {
  return home.run(['ingest', '--json', '--channel', 'telegram', '--from', person, ...more, text]);
}

const sessionOf = (person: string): string =>
  readRecord(recordFile(home, `dm~${person}`)).sessionId as string;
const transcriptOf = (person: string): string => transcriptFile(home, sessionOf(person));
const sessionsFolder = () => home.path('agents', 'main', 'sessions');

/** Replaces a file by other bytes and gives them back. */
function spoil(file: string, bytes: string | Buffer): Buffer {
  fs.writeFileSync(file, bytes);
  return fs.readFileSync(file);
}

describe('a record that cannot be read', () => {
  const damages: [string, (file: string) => string | Buffer][] = [
    ['0 bytes (S01 openclaw#77783)', () => ''],
    ['truncated', file => fs.readFileSync(file, 'utf8').slice(0, 60)],
    ['NUL bytes', file => Buffer.alloc(fs.statSync(file).size)],
    ['the record of another session', file => fs.readFileSync(path.join(path.dirname(file), 'dm~2.json'))],
    ['of a later version', file => fs.readFileSync(file, 'utf8').replace('"version":1', '"version":99')],
    [
      'with a path for a session id',
      file => fs.readFileSync(file, 'utf8').replace(/"sessionId":"[^"]*"/, '"sessionId":"../../x"'),
    ],
  ];

  it.each(damages)('%s: reported with its file and left in place; the other sessions go on', (_, damage) => {
    withThreeSessions();
    const file = recordFile(home, 'dm~1');
    const transcripts = contents(sessionsFolder(), ['records']);
    const bytes = spoil(file, damage(file));

    const listed = home.run(['sessions', '--json']);
    expect(listed.status).toBe(65);
    expect(
      listed
        .json()
        .sessions.map(({ key }: { key: string }) => key)
        .toSorted(),
    ).toEqual(['agent:main:dm:2', 'agent:main:dm:3']);
    expect(listed.stderr).toContain(file);
    expect(home.run(['sessions']).stderr).toContain(file);
    const shown = home.run(['sessions', 'show', 'dm:1', '--json']);
    expect(shown).toMatchObject({ status: 65, stdout: '' });
    expect(JSON.parse(shown.stderr).error.message).toContain(file);
    expect(home.run(['status', '--json'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(file),
    });

    expect(say('2', 'still there?').json()).toMatchObject({
      status: 'replied',
      reply: { text: 'still there?' },
    });
    expect(home.run(['tick']).status).toBe(0);
    expect(fs.readFileSync(file)).toEqual(bytes);
    expect(contents(sessionsFolder(), ['records', `${sessionOf('2')}.jsonl`])).toMatchObject({
      [path.basename(transcriptOf('3'))]: transcripts[path.basename(transcriptOf('3'))],
    });
  });

  it('a message to it is accepted and queued with the reason; it is answered once the file is gone', () => {
    withThreeSessions();
    const file = recordFile(home, 'dm~1');
    const before = fs.readFileSync(transcriptOf('1'));
    const old = sessionOf('1');
    const bytes = spoil(file, '');

    const run = say('1', 'do not lose me', '--id', 'm1');
    expect(run.status).toBe(0);
    expect(run.json()).toMatchObject({ status: 'queued', messageId: 'm1', reply: null });
    expect(run.json().reason).toContain(file);
    expect(run.stderr).toContain(file);
    expect(fs.readFileSync(file)).toEqual(bytes);
    expect(inbox(home)).toMatchObject([{ state: 'waiting', text: 'do not lose me' }]);

    // A tick cannot answer it yet, says so, and keeps it.
    const tooEarly = home.run(['tick']);
    expect(tooEarly.status).toBe(65);
    expect(tooEarly.stderr).toContain(file);
    expect(inbox(home)).toHaveLength(1);

    fs.rmSync(file);
    expect(home.run(['tick'])).toMatchObject({ status: 0, stderr: '' });
    expect(undelivered(home)).toMatchObject([{ text: 'do not lose me', messageId: 'm1' }]);
    expect(inbox(home)).toEqual([]);
    expect(fs.readFileSync(transcriptFile(home, old))).toEqual(before);
    expect(say('1', 'do not lose me', '--id', 'm1').json()).toMatchObject({ status: 'duplicate' });
  });

  it('a message to it is answered in its old session once the file is repaired', () => {
    withThreeSessions();
    const file = recordFile(home, 'dm~1');
    const good = fs.readFileSync(file);
    const old = sessionOf('1');
    spoil(file, good.subarray(0, 40));
    for (const text of ['one', 'two']) expect(say('1', text).json()).toMatchObject({ status: 'queued' });
    fs.writeFileSync(file, good);
    expect(home.run(['tick'])).toMatchObject({ status: 0, stderr: '' });
    expect(sessionOf('1')).toBe(old);
    const history = home.run(['sessions', 'history', 'dm:1', '--json']).json().messages;
    expect(history.map(({ text }: { text: string }) => text)).toEqual([
      'hello from 1',
      'hello from 1',
      'one',
      'two',
      'one\n\ntwo',
    ]);
  });
});

describe('the end of a transcript', () => {
  it('cut in the middle of its last line: the rest is moved whole to a side file, all else stays (T01 openclaw#100644)', () => {
    withThreeSessions();
    const id = sessionOf('1');
    const file = transcriptOf('1');
    const whole = fs.readFileSync(file);
    const lastLine = whole.subarray(0, -1).lastIndexOf(10) + 1;
    const cut = spoil(file, whole.subarray(0, whole.length - 30));

    // Who only reads reports it and leaves it.
    const history = home.run(['sessions', 'history', 'dm:1', '--json']);
    expect(history.status).toBe(0);
    expect(history.json().messages).toHaveLength(2);
    expect(history.stderr).toContain(file);
    expect(fs.readFileSync(file)).toEqual(cut);

    const run = say('1', 'after the cut');
    expect(run.json()).toMatchObject({ status: 'replied', sessionId: id, reply: { text: 'after the cut' } });
    for (const line of run.stderr.trim().split('\n')) expect(line).toContain(file);
    expect(run.stderr.trim().split('\n')).toHaveLength(1);
    expect(run.stderr.match(/torn-/g)).toHaveLength(1);
    const torn = list(sessionsFolder()).filter(name => name.startsWith(`${id}.torn-`));
    expect(torn).toHaveLength(1);
    expect(fs.readFileSync(path.join(sessionsFolder(), torn[0]!))).toEqual(cut.subarray(lastLine));
    expect(fs.readFileSync(file).subarray(0, lastLine)).toEqual(whole.subarray(0, lastLine));
    for (const line of home.transcripts().get(`${id}.jsonl`)!) expect(line).toBeTypeOf('object');
    expect(home.run(['sessions', 'history', 'dm:1', '--json']).json().messages).toHaveLength(4);
    // Once is enough.
    expect(say('1', 'and again').stderr).toBe('');
    expect(list(sessionsFolder()).filter(name => name.includes('.torn-'))).toHaveLength(1);
  });

  it('with half of a line that was never accepted behind it: the same', () => {
    withThreeSessions();
    const file = transcriptOf('1');
    const before = fs.readFileSync(file);
    const half = '{"type":"message","timestamp":1,"id":"half","message":{"role":"user","content":"ha';
    fs.appendFileSync(file, half);
    const run = say('1', 'next');
    expect(run.json()).toMatchObject({ status: 'replied' });
    expect(fs.readFileSync(file).subarray(0, before.length)).toEqual(before);
    const torn = list(sessionsFolder()).filter(name => name.includes('.torn-'));
    expect(torn.map(name => fs.readFileSync(path.join(sessionsFolder(), name), 'utf8'))).toEqual([half]);
  });

  it('of NUL bytes is moved aside once (T03 openclaw#119887)', () => {
    withThreeSessions();
    const file = transcriptOf('1');
    const before = fs.readFileSync(file);
    fs.appendFileSync(file, Buffer.alloc(284));
    const run = say('1', 'after a power cut');
    expect(run.json()).toMatchObject({ status: 'replied', reply: { text: 'after a power cut' } });
    expect(run.stderr).toContain(file);
    expect(fs.readFileSync(file).subarray(0, before.length)).toEqual(before);
    expect(fs.readFileSync(file).includes(0)).toBe(false);
    const torn = () => list(sessionsFolder()).filter(name => name.includes('.torn-'));
    expect(torn()).toHaveLength(1);
    expect(fs.readFileSync(path.join(sessionsFolder(), torn()[0]!))).toEqual(Buffer.alloc(284));
    expect(say('1', 'and again')).toMatchObject({ status: 0, stderr: '' });
    expect(torn()).toHaveLength(1);
  });

  it('with NUL bytes further in is no tail: they are reported and stay where they are (T03 openclaw#119887)', () => {
    withThreeSessions();
    const file = transcriptOf('1');
    const lines = fs.readFileSync(file, 'utf8').split('\n');
    lines.splice(3, 0, '\0'.repeat(284));
    const bytes = spoil(file, lines.join('\n'));
    const history = home.run(['sessions', 'history', 'dm:1', '--json']);
    expect(history).toMatchObject({ status: 0, stderr: expect.stringContaining(`${file}:4: NUL bytes`) });
    expect(fs.readFileSync(file)).toEqual(bytes);
    const run = say('1', 'next');
    expect(run.json()).toMatchObject({ status: 'replied', sessionId: path.basename(file, '.jsonl') });
    expect(fs.readFileSync(file).subarray(0, bytes.length)).toEqual(bytes);
    expect(list(sessionsFolder()).filter(name => name.includes('.torn-'))).toEqual([]);
  });

  it('whole but without its newline: nothing is moved, nothing is lost', () => {
    withThreeSessions();
    const file = transcriptOf('1');
    const before = fs.readFileSync(file);
    spoil(file, before.subarray(0, -1));
    expect(say('1', 'next').json()).toMatchObject({ status: 'replied' });
    expect(fs.readFileSync(file).subarray(0, before.length)).toEqual(before);
    expect(say('1', 'and again')).toMatchObject({ status: 0, stderr: '' });
    expect(list(sessionsFolder()).filter(name => name.includes('.torn-'))).toEqual([]);
  });
});

describe('bad lines inside a transcript', () => {
  it('are counted and told with their line, left in place, and the rest is used (T04 openclaw#98669)', () => {
    withThreeSessions();
    const file = transcriptOf('1');
    const lines = fs.readFileSync(file, 'utf8').split('\n');
    lines.splice(2, 0, '{"type":"message","mess');
    lines.splice(1, 0, `\0\0\0`);
    const bytes = spoil(file, lines.join('\n'));
    const good = lines.filter(line => line !== '').length - 2;

    const shown = home.run(['sessions', 'show', 'dm:1', '--verbose', '--json']);
    expect(shown.json()).toMatchObject({ malformedLines: 2 });
    for (const run of [shown, home.run(['sessions', 'history', 'dm:1', '--json'])]) {
      expect(run.status).toBe(0);
      // Each once.
      const places = run.stderr
        .trim()
        .split('\n')
        .map(line => /\.jsonl:\d+:/.exec(line)?.[0]);
      expect(places.toSorted()).toEqual(['.jsonl:2:', '.jsonl:4:']);
      expect(run.stderr).toContain(`${file}:2:`);
    }
    expect(home.run(['sessions', 'history', 'dm:1', '--json']).json().messages).toHaveLength(2);

    home.config(withRunner({ command: 'cat', context: 'claw' }, perPeer));
    const run = say('1', 'what did I say?');
    expect(run.json()).toMatchObject({ status: 'replied' });
    expect(run.json().reply.text).toContain('hello from 1');
    expect(run.stderr).toContain(`${file}:2:`);
    expect(fs.readFileSync(file).subarray(0, bytes.length)).toEqual(bytes);
    expect(
      home
        .transcripts()
        .get(path.basename(file))!
        .filter(line => typeof line === 'object').length,
    ).toBeGreaterThan(good);
  });
});

describe('transcript and record that do not belong together', () => {
  it('a transcript of 0 bytes is reported, and what follows has a header again', () => {
    withThreeSessions();
    const file = transcriptOf('1');
    spoil(file, '');
    const run = say('1', 'where was I?');
    expect(run.json()).toMatchObject({ status: 'replied', reply: { text: 'where was I?' } });
    expect.soft(run.stderr).toContain(file);
    const current = home.transcripts().get(`${run.json().sessionId}.jsonl`)!;
    expect(current[0]).toMatchObject({ type: 'session', id: run.json().sessionId });
  });

  it('a transcript cut back behind what its record knows is reported', () => {
    withThreeSessions();
    const file = transcriptOf('1');
    const [header] = fs.readFileSync(file, 'utf8').split('\n');
    spoil(file, `${header}\n`);
    const run = say('1', 'where was I?');
    expect(run.json()).toMatchObject({ status: 'replied' });
    expect(run.stderr).toContain(file);
  });

  it('a transcript that names another session is left alone, and a new one begins (T09 anthropics/claude-code#29342)', () => {
    withThreeSessions();
    const old = sessionOf('1');
    const file = transcriptOf('1');
    const bytes = spoil(file, fs.readFileSync(transcriptOf('2')));
    const run = say('1', 'for my eyes only');
    expect(run.json()).toMatchObject({
      status: 'replied',
      isNewSession: true,
      reset: { previousSessionId: old },
    });
    expect(run.json().sessionId).not.toBe(old);
    expect(run.stderr).toContain(file);
    expect(fs.readFileSync(file)).toEqual(bytes);
    expect(home.run(['sessions', 'history', 'dm:1', '--json']).json().messages[0].text).toBe(
      'for my eyes only',
    );
  });

  it('a record without a transcript: a new session begins, and says why', () => {
    withThreeSessions();
    const old = sessionOf('1');
    const file = transcriptOf('1');
    fs.rmSync(file);
    const run = say('1', 'hello again');
    expect.soft(run.json()).toMatchObject({
      status: 'replied',
      isNewSession: true,
      reset: { reason: 'missing', previousSessionId: old },
      reply: { text: 'hello again' },
    });
    expect(run.stderr).toContain(file);
    expect(fs.existsSync(file)).toBe(false);
    expect(sessionOf('1')).toBe(run.json().sessionId);
    // The notice must not send anybody to a transcript that is gone.
    expect(run.json().notices.join()).not.toContain(`history ${old}`);
  });

  it('a record without a transcript: what reads it says so, and nothing else breaks', () => {
    withThreeSessions();
    const file = transcriptOf('1');
    fs.rmSync(file);
    const history = home.run(['sessions', 'history', 'dm:1', '--json']);
    expect.soft(history.stderr).toContain(file);
    expect.soft(history.stderr).not.toMatch(/internal error/);
    expect.soft(history.status).not.toBe(70);
    expect(home.run(['sessions', 'show', 'dm:1', '--verbose', '--json']).json()).toMatchObject({
      transcriptBytes: null,
    });
    expect(home.run(['sessions', '--json'])).toMatchObject({ status: 0, stderr: '' });
  });

  it('a transcript without a record: it stays as it is and can be read by its id; a new session begins', () => {
    withThreeSessions();
    const old = sessionOf('1');
    const bytes = fs.readFileSync(transcriptOf('1'));
    fs.rmSync(recordFile(home, 'dm~1'));
    const run = say('1', 'hello again');
    expect(run.json()).toMatchObject({ status: 'replied', isNewSession: true });
    expect(run.json().sessionId).not.toBe(old);
    expect(fs.readFileSync(transcriptFile(home, old))).toEqual(bytes);
    expect(home.run(['sessions', 'history', old, '--json']).json().messages[0].text).toBe('hello from 1');
    expect(recordFiles(home)).toHaveLength(3);
  });
});

describe('a file in pending/ that is not JSON', () => {
  const waiting = () =>
    home.path('pending', 'main', `dm~1.${String(Date.now()).padStart(16, '0')}-0a1b2c3d.json`);

  it('is reported by inbox list, ingest and tick, and left in place; its session goes on', () => {
    withThreeSessions();
    const file = waiting();
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const bytes = spoil(file, '{"text":"half');
    const listed = home.run(['inbox', 'list', '--json']);
    expect(listed).toMatchObject({ status: 65, stderr: expect.stringContaining(file) });
    expect(listed.json()).toMatchObject({ count: 0 });
    expect(home.run(['status'])).toMatchObject({ status: 1, stderr: expect.stringContaining(file) });
    const run = say('1', 'next');
    expect(run.json()).toMatchObject({ status: 'replied', reply: { text: 'next' } });
    expect(run.stderr).toContain(file);
    expect(say('2', 'not my business')).toMatchObject({ status: 0, stderr: '' });
    expect(home.run(['tick']).stderr).toContain(file);
    expect(fs.readFileSync(file)).toEqual(bytes);
  });

  it('is reported by tick where its session has no record either', () => {
    home = new Home(withRunner({ command: 'cat' }, perPeer));
    const file = waiting();
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const bytes = spoil(file, '');
    expect(home.run(['tick']).stderr).toContain(file);
    expect(fs.readFileSync(file)).toEqual(bytes);
  });

  it('does not keep those behind it waiting', () => {
    withThreeSessions();
    const file = waiting();
    fs.mkdirSync(path.dirname(file), { recursive: true });
    spoil(file, 'no JSON at all');
    say('1', 'behind it', '--no-wait');
    const tick = home.run(['tick']);
    expect(tick.stderr).toContain(file);
    expect(undelivered(home)).toMatchObject([{ text: 'behind it' }]);
  });

  it('that is JSON but no message: reported by inbox list and status', () => {
    withThreeSessions();
    const file = waiting();
    fs.mkdirSync(path.dirname(file), { recursive: true });
    spoil(file, '{"hello":1}\n');
    for (const args of [
      ['inbox', 'list', '--json'],
      ['status', '--json'],
    ]) {
      const run = home.run(args);
      expect.soft(run.stderr).toContain(file);
      expect.soft(run.stderr).not.toMatch(/internal error/);
    }
  });

  it('that is JSON but no message: reported by ingest and tick, and left in place', () => {
    withThreeSessions();
    const file = waiting();
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const bytes = spoil(file, '{"hello":1}\n');
    for (const run of [say('1', 'next'), say('1', 'and one more'), home.run(['tick'])]) {
      expect.soft(run.stderr).toContain(file);
      expect.soft(run.stderr).not.toMatch(/internal error|Cannot read properties/);
    }
    expect(home.replies().map(entry => entry.message.content)).toContain('and one more');
    expect(fs.readFileSync(file)).toEqual(bytes);
  });
});

describe('a file in outbox/ that is not JSON', () => {
  it('is reported and left in place; other replies go on', () => {
    withThreeSessions();
    say('1', 'for later', '--no-wait');
    home.run(['tick']);
    const file = home.path('outbox', 'broken.json');
    const bytes = spoil(file, '{');
    const listed = home.run(['delivery', 'list', '--json']);
    expect(listed).toMatchObject({ status: 65, stderr: expect.stringContaining(file) });
    expect(listed.json().deliveries).toMatchObject([{ text: 'for later' }]);
    expect(home.run(['tick']).stderr).toContain(file);
    expect(fs.readFileSync(file)).toEqual(bytes);
  });
});

describe('a line in ids/ that is not JSON', () => {
  it('costs nobody a message', () => {
    withThreeSessions();
    say('1', 'known', '--id', 'm1');
    for (const month of list(home.path('ids'))) {
      for (const name of list(home.path('ids', month))) {
        const file = home.path('ids', month, name);
        fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('"time":', '"time":,'));
      }
    }
    const run = say('1', 'known', '--id', 'm1');
    expect(run.stderr).not.toMatch(/internal error|SyntaxError/);
    expect([0, 65]).toContain(run.status);
    expect(say('1', 'new', '--id', 'm2').json()).toMatchObject({ status: 'replied' });
  });
});
