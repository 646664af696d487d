/** Daily resets in the tick: the clock asks for them, nobody has to write first. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeKey } from '../../src/store/layout.ts';
import { HOOK } from '../faults/lab.ts';
import { BIN, Home, withRunner } from './claw.ts';
import {
  ageBy,
  contents,
  gated,
  HOUR,
  MINUTE,
  readRecord,
  recordFile,
  snapshot,
  transcriptFile,
} from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

/** A boundary a few minutes ago, in UTC as the tests run. */
const JUST_NOW = new Date(Date.now() - 3 * MINUTE).toISOString().slice(11, 16);
const LATER = new Date(Date.now() + 6 * HOUR).toISOString().slice(11, 16);

const setUp = (session: object = { reset: { at: JUST_NOW } }, rest: object = {}) => {
  home = new Home(withRunner({ command: 'cat' }, { session: { dmScope: 'per-peer', ...session }, ...rest }));
};
const say = (text: string, from = '1') =>
  home.run(['ingest', '--json', '--channel', 'telegram', '--from', from, text]).json();
const tick = () => home.run(['tick', '--json']).json();
const recordOf = (from: string) => recordFile(home, `dm~${from}`);
const lines = (sessionId: string) => home.transcripts().get(`${sessionId}.jsonl`) ?? [];
const stamp = () => home.path('logs', 'resets');
/** As if the last sweep had been this long ago. */
const sweptAgo = (ms: number) =>
  fs.writeFileSync(
    stamp(),
    JSON.stringify({ ...JSON.parse(fs.readFileSync(stamp(), 'utf8')), at: Date.now() - ms }),
  );

describe('a tick behind the daily boundary', () => {
  it('resets a session of yesterday once; the user hears of it with the next reply, and nothing is sent', () => {
    setUp(undefined, { channels: { telegram: { send: { command: 'false' } } } });
    const { sessionId } = say('yesterday');
    ageBy(recordOf('1'), 25 * HOUR);
    expect(home.run(['tick', '--dry-run', '--json']).json().actions).toContainEqual(
      expect.objectContaining({ do: 'reset', keys: ['agent:main:dm:1'] }),
    );
    const { resets, delivery } = tick();
    expect(resets.reset).toMatchObject([{ sessionKey: 'agent:main:dm:1', previousSessionId: sessionId }]);
    expect(delivery).toEqual({ sent: [], waiting: [] });
    expect(home.run(['delivery', 'list', '--all', '--json']).json().count).toBe(0);
    expect(lines(sessionId).at(-1)).toMatchObject({
      type: 'reset',
      reason: 'daily',
      nextSessionId: resets.reset[0].sessionId,
    });
    const after = contents(home.path('agents'));
    expect(tick().resets).toEqual({ reset: [], left: [], more: 0 });
    expect(contents(home.path('agents'))).toEqual(after);

    const next = say('hello');
    expect(next).toMatchObject({
      sessionId: resets.reset[0].sessionId,
      isNewSession: true,
      reset: { reason: 'daily', previousSessionId: sessionId },
      notices: [expect.stringMatching(/daily/)],
    });
    expect(say('again')).toMatchObject({ sessionId: next.sessionId, reset: null, notices: [] });
  });

  it('leaves what it resets to be resumed (promise 5)', () => {
    setUp();
    const { sessionId } = say('yesterday');
    ageBy(recordOf('1'), 25 * HOUR);
    tick();
    expect(home.run(['sessions', 'resume', sessionId]).status).toBe(0);
    expect(tick().resets.reset).toEqual([]);
    expect(say('and on')).toMatchObject({ sessionId });
  });

  it('touches no other session: used since, never written to, ended by silence before, not reset by the day', () => {
    setUp({ reset: { at: JUST_NOW }, resetByChannel: { slack: { mode: 'off' } } });
    say('fresh', 'fresh');
    home.run(['ingest', '--channel', 'slack', '--from', 'off', 'off']);
    say('unused', 'unused');
    for (const who of ['off', 'unused']) ageBy(recordOf(who), 25 * HOUR);
    const { lastUserAt: _, ...unused } = readRecord(recordOf('unused'));
    fs.writeFileSync(recordOf('unused'), JSON.stringify(unused));
    fs.writeFileSync(home.path('agents', 'main', 'sessions', 'records', 'dm~torn.json'), '{"version":1,');
    const before = snapshot(home.path('agents'));
    expect(tick().resets).toEqual({ reset: [], left: [], more: 0 });
    expect(snapshot(home.path('agents'))).toEqual(before);

    home.config(
      withRunner(
        { command: 'cat' },
        { session: { dmScope: 'per-peer', reset: { at: JUST_NOW, idleMinutes: 30 } } },
      ),
    );
    ageBy(recordOf('fresh'), 25 * HOUR);
    const silent = snapshot(home.path('agents'));
    expect(tick().resets.reset).toEqual([]);
    expect(snapshot(home.path('agents'))).toEqual(silent);
    expect(say('hello', 'fresh')).toMatchObject({ reset: { reason: 'idle' } });
  });

  it('does nothing and writes nothing before it', () => {
    setUp({ reset: { at: LATER } });
    say('hello');
    tick();
    const before = snapshot(home.dir, ['logs/tick', 'cache']);
    expect(tick().resets).toEqual({ reset: [], left: [], more: 0 });
    expect(snapshot(home.dir, ['logs/tick', 'cache'])).toEqual(before);
  });

  it('opens no session that was not used since the boundary before: 1,000 old ones cost nothing', () => {
    setUp();
    say('now');
    tick();
    const old = say('old', 'old');
    const template = { ...readRecord(recordOf('old')) };
    fs.rmSync(recordOf('old'));
    const folder = home.path('agents', 'main', 'sessions', 'records');
    const then = new Date(Date.now() - 72 * HOUR);
    for (let n = 0; n < 1000; n++) {
      // Whoever read one would find its day over.
      const key = `agent:main:dm:old${n}`;
      const file = path.join(folder, `${encodeKey(`dm:old${n}`)}.json`);
      const at = then.getTime();
      fs.writeFileSync(
        file,
        JSON.stringify({ ...template, key, startedAt: at, lastUserAt: at, updatedAt: at }),
      );
      fs.utimesSync(file, then, then);
    }
    ageBy(recordOf('1'), 25 * HOUR);
    sweptAgo(24 * HOUR);
    const before = snapshot(folder, ['dm~1.json']);
    const { resets } = tick();
    expect(resets.reset.map((each: { sessionKey: string }) => each.sessionKey)).toEqual(['agent:main:dm:1']);
    const after = snapshot(folder, ['dm~1.json']);
    expect({ ...after, '.': '' }).toEqual({ ...before, '.': '' });
    expect(lines(old.sessionId).filter(entry => entry.type === 'reset')).toEqual([]);
  });

  it('looks at every session once where nobody knows when it last did', () => {
    setUp();
    const { sessionId } = say('old');
    tick();
    ageBy(recordOf('1'), 72 * HOUR);
    const then = new Date(Date.now() - 72 * HOUR);
    fs.utimesSync(recordOf('1'), then, then);
    expect(tick().resets.reset).toEqual([]);
    fs.writeFileSync(stamp(), '');
    expect(tick().resets.reset).toMatchObject([{ previousSessionId: sessionId }]);
  });

  it('leaves a session whose turn runs, and comes back to it', async () => {
    home = new Home();
    const gate = gated(home, { session: { dmScope: 'per-peer', reset: { at: JUST_NOW } } });
    const { sessionId } = say('yesterday');
    gate.close();
    const running = home.start(['ingest', '--json', '--channel', 'telegram', '--from', '1', 'long']);
    await gate.begun(2);
    ageBy(recordOf('1'), 25 * HOUR);
    const before = fs.readFileSync(transcriptFile(home, sessionId), 'utf8');
    const { resets } = tick();
    expect(resets).toMatchObject({ reset: [], left: [{ sessionKey: 'agent:main:dm:1' }] });
    expect(fs.readFileSync(transcriptFile(home, sessionId), 'utf8')).toBe(before);
    gate.open();
    expect((await running.done).json()).toMatchObject({ status: 'replied', sessionId });
    // Had it been asked before the boundary:
    ageBy(recordOf('1'), 25 * HOUR);
    expect(tick().resets.reset).toMatchObject([{ previousSessionId: sessionId }]);
    expect(tick().resets).toEqual({ reset: [], left: [], more: 0 });
  });

  it('however many there are, resets each session once', async () => {
    setUp();
    const ids = ['1', '2', '3', '4'].map(from => say('yesterday', from).sessionId as string);
    for (const from of ['1', '2', '3', '4']) ageBy(recordOf(from), 25 * HOUR);
    const ticks = await Promise.all(Array.from({ length: 5 }, () => home.start(['tick', '--json']).done));
    const reset = ticks.flatMap(each => each.json().resets.reset);
    expect(reset.map(each => each.previousSessionId).sort()).toEqual(ids.sort());
    for (const id of ids) expect(lines(id).filter(entry => entry.type === 'reset')).toHaveLength(1);
    expect(tick().resets).toEqual({ reset: [], left: [], more: 0 });
  });
});

describe('a tick that is killed while it resets', () => {
  const killedAt = (at: number) =>
    spawnSync(process.execPath, ['-r', HOOK, BIN, 'tick'], {
      env: home.env({
        CLAW_FAULT: JSON.stringify({
          root: home.dir,
          mode: at === 0 ? 'count' : 'kill',
          at,
          log: path.join(home.folder, 'operations'),
        }),
      }),
    });

  it('at whatever step, leaves it to the next one: one reset, nothing lost, told once', () => {
    setUp();
    const { sessionId } = say('yesterday');
    ageBy(recordOf('1'), 25 * HOUR);
    const template = path.join(home.folder, 'template');
    fs.cpSync(home.dir, template, { recursive: true, preserveTimestamps: true });
    const text = fs.readFileSync(transcriptFile(home, sessionId), 'utf8');
    expect(killedAt(0).status).toBe(0);
    const steps = fs.readFileSync(path.join(home.folder, 'operations'), 'utf8').split('\n').filter(Boolean);
    expect(steps.length).toBeGreaterThan(10);
    for (let at = 1; at <= steps.length; at++) {
      fs.rmSync(home.dir, { recursive: true });
      fs.cpSync(template, home.dir, { recursive: true, preserveTimestamps: true });
      expect(killedAt(at).signal, `step ${at}`).toBe('SIGKILL');
      home.run(['tick']);
      const next = say('hello');
      expect(next, `step ${at}: ${steps[at - 1]}`).toMatchObject({
        status: 'replied',
        reset: { reason: 'daily', previousSessionId: sessionId },
        notices: [expect.stringMatching(/daily/)],
      });
      expect(fs.readFileSync(transcriptFile(home, sessionId), 'utf8').startsWith(text)).toBe(true);
      expect(lines(sessionId).filter(entry => entry.type === 'reset')).toMatchObject([
        { nextSessionId: next.sessionId },
      ]);
    }
  }, 120_000);
});
