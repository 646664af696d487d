import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home, list, withRunner } from './claw.ts';
import { contents, modes, snapshot } from './support.ts';

let home: Home;

const config = (telegram: object = {}) =>
  withRunner({ command: 'cat' }, { channels: { telegram: { dmPolicy: 'pairing', ...telegram } } });

beforeEach(() => {
  home = new Home(config());
});
afterEach(() => home.cleanUp());

const say = (from: string, text: string, ...more: string[]) =>
  home.run(['ingest', '--json', '--channel', 'telegram', '--from', from, ...more, text]);
const codeOf = (run: { json(): any }) => /code: (\S+)/.exec(run.json().reply?.text ?? '')?.[1] ?? null;
const pairings = (...more: string[]) => home.run(['pairing', 'list', '--json', ...more]).json().pairings;
const waitingFile = (id: string) => home.path('pairing', 'telegram~default', 'waiting', `${id}.json`);
const edit = (file: string, fields: object) =>
  fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file, 'utf8')), ...fields }));

describe('a stranger', () => {
  it('is told a code, once; nothing of him reaches an agent', () => {
    const first = say('5', 'hello', '--from-name', 'Alice');
    expect(first).toMatchObject({ status: 0, stderr: '' });
    expect(first.json()).toMatchObject({ status: 'denied', reason: 'pairing', sessionId: null });
    const code = codeOf(first);
    expect(code).toMatch(/^[A-Z2-9]{8}$/);
    expect(say('5', 'are you there?').json()).toMatchObject({ status: 'denied', reply: null });
    expect(pairings()).toMatchObject([
      { code, state: 'waiting', channel: 'telegram', id: '5', name: 'Alice', text: 'hello' },
    ]);
    expect(home.transcripts().size).toBe(0);
  });

  it('gets the text on standard output, for the adapter to send back', () => {
    const run = home.run(['ingest', '--channel', 'telegram', '--from', '5', 'hello']);
    expect(run.stdout).toContain(`claw pairing approve ${pairings()[0].code}\n`);
    expect(home.run(['ingest', '--channel', 'telegram', '--from', '5', 'again'])).toMatchObject({
      status: 0,
      stdout: '',
      stderr: '',
    });
  });

  it('whose message is delivered twice is told the same twice', () => {
    const code = codeOf(say('5', 'hello', '--id', 'm1'));
    expect(codeOf(say('5', 'hello', '--id', 'm1'))).toBe(code);
    expect(say('5', 'more', '--id', 'm2').json().reply).toBeNull();
  });

  it('who writes twice at once gets one code', async () => {
    const runs = await Promise.all(
      Array.from(
        { length: 6 },
        (_, index) =>
          home.start(['ingest', '--json', '--channel', 'telegram', '--from', '5', `hello ${index}`]).done,
      ),
    );
    const codes = runs.map(codeOf).filter(code => code !== null);
    expect(codes).toHaveLength(1);
    expect(pairings()).toMatchObject([{ code: codes[0] }]);
  });

  it('beyond the third hears nothing, also when many come at once, until a code expires', async () => {
    const runs = await Promise.all(
      ['1', '2', '3', '4', '5', '6'].map(
        from => home.start(['ingest', '--json', '--channel', 'telegram', '--from', from, 'hello']).done,
      ),
    );
    expect(runs.map(codeOf).filter(code => code !== null)).toHaveLength(3);
    expect(pairings()).toHaveLength(3);
    expect(say('7', 'hello').json().reply).toBeNull();
    edit(waitingFile(pairings()[0].id), { expiresAt: Date.now() - 1 });
    expect(codeOf(say('7', 'hello'))).not.toBeNull();
  });

  it('gets a new code when the old one has expired; the old one lets nobody in', () => {
    const old = codeOf(say('5', 'hello'));
    edit(waitingFile('5'), { expiresAt: Date.now() - 1 });
    expect(pairings()).toMatchObject([{ state: 'expired', code: null, text: 'hello' }]);
    expect(home.run(['pairing', 'approve', old!])).toMatchObject({ status: 64, stdout: '' });
    const fresh = codeOf(say('5', 'hello again'));
    expect(fresh).not.toBeNull();
    expect(fresh).not.toBe(old);
  });

  it('of a group, of the command line or listed is no stranger', () => {
    home.config(config({ allowFrom: ['9'] }));
    expect(say('9', 'hello').json()).toMatchObject({ status: 'replied' });
    expect(say('5', 'hello', '--group', '-100', '--mentioned').json()).toMatchObject({ status: 'replied' });
    expect(home.run(['ingest', '--json', 'hello']).json()).toMatchObject({ status: 'replied' });
    expect(list(home.path('pairing'))).toEqual([]);
  });

  it.each([['a/b'], ['..'], ['A'], ['*'], ['telegram:5'], ['x'.repeat(300)], ['😀'], ['$(touch pwn)']])(
    'with the id %j has a file of his own, and lets nobody else in',
    id => {
      const code = codeOf(say(id, 'hello'));
      expect(home.run(['pairing', 'approve', code!]).status).toBe(0);
      expect(say(id, 'hello').json()).toMatchObject({ status: 'replied' });
      for (const other of ['5', 'a', 'ab']) {
        expect(say(other, 'hello').json()).toMatchObject({ status: 'denied' });
      }
      expect(
        modes(home.path('pairing')).every(({ mode, isFolder }) => mode === (isFolder ? '700' : '600')),
      ).toBe(true);
    },
  );
});

describe('route', () => {
  it('says that a code would be told, and makes none', () => {
    home.run(['status']); // fills the cache
    const before = snapshot(home.dir, ['cache']);
    const route = home.run(['route', '--json', '--channel', 'telegram', '--from', '5', 'hello']);
    expect(route.json()).toMatchObject({ access: { allowed: false, reason: 'pairing' }, action: 'drop' });
    expect(snapshot(home.dir, ['cache'])).toEqual(before);
    home.run(['pairing', 'approve', codeOf(say('5', 'hello'))!]);
    expect(
      home.run(['route', '--json', '--channel', 'telegram', '--from', '5', 'hello']).json(),
    ).toMatchObject({ access: { allowed: true, reason: 'paired' } });
  });
});

describe('the operator', () => {
  it('approves by code, in any spelling, as often as he likes', () => {
    const code = codeOf(say('5', 'hello'))!;
    const spelled = `${code.slice(0, 4)}-${code.slice(4)}`.toLowerCase();
    expect(home.run(['pairing', 'approve', spelled, '--json']).json()).toMatchObject({
      decision: 'approved',
      changed: true,
      id: '5',
      text: 'hello',
    });
    expect(home.run(['pairing', 'approve', 'telegram:5', '--json']).json()).toMatchObject({ changed: false });
    expect(say('5', 'hello').json()).toMatchObject({ status: 'replied' });
    expect(say('6', 'hello').json()).toMatchObject({ status: 'denied' });
    expect(pairings('--all')).toMatchObject([
      { state: 'waiting', id: '6' },
      { state: 'approved', id: '5' },
    ]);
  });

  it('denies: silence, until it is revoked', () => {
    const code = codeOf(say('5', 'hello'))!;
    expect(home.run(['pairing', 'deny', code]).status).toBe(0);
    for (const text of ['hello', 'please']) {
      expect(say('5', text).json()).toMatchObject({ status: 'denied', reply: null });
    }
    expect(home.run(['pairing', 'revoke', 'telegram:5', '--json']).json()).toMatchObject({ changed: true });
    expect(codeOf(say('5', 'hello'))).not.toBeNull();
    expect(home.run(['pairing', 'revoke', 'telegram:77', '--json']).json()).toMatchObject({ changed: false });
  });

  it('revokes who was let in', () => {
    home.run(['pairing', 'approve', codeOf(say('5', 'hello'))!]);
    home.run(['pairing', 'revoke', 'Telegram:5']);
    expect(say('5', 'hello').json()).toMatchObject({ status: 'denied' });
  });

  it('lets somebody in for the account he wrote to only', () => {
    home.config(config({ accounts: { biz: {} } }));
    const here = codeOf(say('5', 'hello'))!;
    expect(codeOf(say('5', 'hello', '--account', 'biz'))).not.toBeNull();
    const both = home.run(['pairing', 'approve', 'telegram:5']);
    expect(both).toMatchObject({ status: 64, stderr: expect.stringContaining('--account') });
    home.run(['pairing', 'approve', here]);
    expect(say('5', 'hello').json()).toMatchObject({ status: 'replied' });
    expect(say('5', 'hello', '--account', 'biz').json()).toMatchObject({ status: 'denied' });
  });

  it.each([['approve'], ['deny'], ['revoke']])('is never an agent: %s ends with 77', verb => {
    say('5', 'hello');
    const before = contents(home.path('pairing'));
    const run = home.run(['pairing', verb, 'telegram:5'], { env: { CLAW_RUN_ID: 'r1' } });
    expect(run).toMatchObject({ status: 77, stdout: '', stderr: expect.stringContaining('agent') });
    expect(contents(home.path('pairing'))).toEqual(before);
  });
});

describe('a file about a stranger that cannot be read', () => {
  it.each([['waiting'], ['decided']])('in %s lets nobody in, is reported and left in place', place => {
    const code = codeOf(say('5', 'hello'))!;
    if (place === 'decided') home.run(['pairing', 'approve', code]);
    const file = home.path('pairing', 'telegram~default', place, '5.json');
    fs.writeFileSync(file, '{"version":1');
    const run = say('5', 'hello');
    expect(run.json()).toMatchObject({ status: 'denied', reply: null });
    expect(run.stderr).toContain(file);
    const listed = home.run(['pairing', 'list', '--all', '--json']);
    expect(listed).toMatchObject({ status: 65, stderr: expect.stringContaining(path.basename(file)) });
    expect(fs.readFileSync(file, 'utf8')).toBe('{"version":1');
    home.run(['pairing', 'revoke', 'telegram:5']);
    expect(codeOf(say('5', 'hello'))).not.toBeNull();
  });
});

describe('what dead processes left', () => {
  it('keeps nobody from asking', () => {
    const lock = home.path('locks', '.pairing', 'telegram~default', '1-1-x-0-y-z');
    fs.mkdirSync(lock, { recursive: true, mode: 0o700 });
    // An owner of another machine that cannot be judged is given up when its lock has not moved for long.
    const long = new Date(Date.now() - 3_600_000);
    fs.utimesSync(lock, long, long);
    expect(codeOf(say('5', 'hello'))).not.toBeNull();
    expect(list(path.dirname(lock))).toEqual([]);
  });
});
