/** Whole beats with a real agent: the conformance vectors first, then what they do not say. */
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/schema.ts';
import { heartbeatOf } from '../../src/core/schedule/heartbeat.ts';
import type { Origin } from '../../src/core/session/session.ts';
import { beat, beatRecord, runBeat } from '../../src/runner/beat.ts';
import { putWakingEvent, requestWake, wake } from '../../src/runner/wake.ts';
import { tryLock } from '../../src/store/lock.ts';
import { listOutbox } from '../../src/store/outbox.ts';
import { clearWake, listWakes, pendingOverview, readWake } from '../../src/store/pending.ts';
import { appendRuns, readRuns } from '../../src/store/runs.ts';
import { loadRecord } from '../../src/store/sessions.ts';
import { listSystemEvents, putSystemEvent } from '../../src/store/system-events.ts';
import { HOUR, MINUTE, NOON } from '../core/turn-facts.ts';
import vectors from '../fixtures/vectors/heartbeat.json' with { type: 'json' };
import { names } from '../store/scratch.ts';
import { type TestDesk, testDesk } from './desk.ts';

const KEY = 'agent:main:main';
const ROUTE: Origin = { channel: 'telegram', accountId: 'default', chatType: 'dm', from: '123' };

interface Given {
  config: ConfigInput;
  store: Record<string, Record<string, any>>;
  input: { modelReply: string; heartbeatFile: string; queueBusy: boolean; reason?: string; agentId?: string };
  now: string;
}

function outbox({ desk }: TestDesk) {
  return listOutbox(desk.layout).items.map(({ origin, text }) => ({
    channel: origin.channel,
    to: origin.to ?? origin.groupId ?? origin.from,
    text,
  }));
}

/** A beat as the schedule has it: asked, and recorded. */
async function scheduled(at: TestDesk, agentId = 'main') {
  const outcome = await beat(at.desk, agentId, { trigger: 'schedule' });
  const record = beatRecord(at.desk, outcome, { trigger: 'schedule', dueAt: at.desk.context.now() });
  appendRuns(at.desk.context, at.desk.layout, record.jobId, [record]);
  return outcome;
}

async function runVector({ config, store, input, now }: Given): Promise<object> {
  const entry = store[KEY]!;
  const at = testDesk(config, Date.parse(now));
  const record = at.session({ updatedAt: entry.updatedAt, startedAt: entry.updatedAt, lastRoute: ROUTE });
  at.heartbeatFile(input.heartbeatFile);
  if (entry.lastHeartbeatText) {
    at.at(entry.lastHeartbeatSentAt);
    at.says(entry.lastHeartbeatText);
    await scheduled(at);
    at.at(Date.parse(now));
  }
  const before = { sent: outbox(at).length, asked: at.prompts().length };
  at.says(input.modelReply);
  if (input.reason) putWakingEvent(at.desk, { agentId: 'main', key: KEY, text: 'due', source: 'cron' });
  const lock = input.queueBusy ? tryLock(at.desk.context, at.desk.layout.lock('main', KEY), KEY) : null;
  const outcome = input.reason ? await wake(at.desk, 'main', KEY) : await scheduled(at, input.agentId);
  lock?.release();
  const after = loadRecord(at.desk.layout, 'main', KEY);
  return {
    ...outcome,
    sent: outbox(at).slice(before.sent),
    modelCalled: at.prompts().length > before.asked,
    entry: after.state === 'ok' ? after.record : record,
  };
}

describe('vectors', () => {
  test.each(vectors.filter(({ given }) => given.op === 'run').map(vector => [vector.id, vector] as const))(
    '%s',
    async (_, { given, expect: wanted }) => {
      expect(await runVector(given as unknown as Given)).toMatchObject(wanted);
    },
  );
});

const EVERY: ConfigInput = { agents: { defaults: { heartbeat: { every: '30m' } } } };

/** A desk with a session whose person wrote an hour ago, and something in HEARTBEAT.md. */
function ready(config: ConfigInput = EVERY): TestDesk {
  const at = testDesk(config, NOON);
  at.session({
    lastRoute: ROUTE,
    lastUserAt: NOON - HOUR,
    startedAt: NOON - 2 * HOUR,
    updatedAt: NOON - HOUR,
  });
  at.heartbeatFile('- Look at the mail\n');
  return at;
}

function queue({ desk }: TestDesk, text: string, key = KEY): string {
  return putSystemEvent(desk.context, desk.layout, { agentId: 'main', key, text, source: 'operator' });
}

function files({ desk }: TestDesk): Record<string, string> {
  const folder = desk.layout.sessions('main');
  const all = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    all
      .filter(name => fs.statSync(`${folder}/${name}`).isFile())
      .map(name => [name, fs.readFileSync(`${folder}/${name}`, 'utf8')]),
  );
}

describe('a beat that finds nothing', () => {
  test('a hundred of them leave session and record as they were (#70172, #134514, #22133)', async () => {
    const config = structuredClone(EVERY);
    config.agents!.defaults!.heartbeat!.model = 'cheap';
    const at = ready(config);
    const before = files(at);
    const answers = ['HEARTBEAT_OK', '**HEARTBEAT_OK**', 'All quiet. HEARTBEAT_OK', 'NO_REPLY'];
    for (let beatNumber = 0; beatNumber < 100; beatNumber++) {
      at.says(answers[beatNumber % answers.length]!);
      at.at(NOON + beatNumber * 30 * MINUTE);
      expect(await scheduled(at)).toMatchObject({
        status: 'ran',
        event: expect.stringMatching(/^ok-/),
        model: 'cheap',
      });
    }
    expect(files(at)).toEqual(before);
    expect(fs.existsSync(at.desk.layout.pendingRoot())).toBe(false);
    expect(outbox(at)).toEqual([]);
  }, 60_000);

  test('a failing agent is told, and leaves nothing either', async () => {
    const at = ready();
    const before = files(at);
    at.says(3);
    expect(await scheduled(at)).toMatchObject({ status: 'failed', error: { code: 'exit' } });
    expect(files(at)).toEqual(before);
    expect(readRuns(at.desk.layout, 'heartbeat:main').lines.at(-1)).toMatchObject({ status: 'error' });
  });

  test('a session that nobody has begun is not begun by it', async () => {
    const at = testDesk(EVERY, NOON);
    at.heartbeatFile('- Look');
    at.says('HEARTBEAT_OK');
    expect(await scheduled(at)).toMatchObject({ status: 'ran', event: 'ok-token' });
    expect(fs.existsSync(at.desk.layout.sessions('main'))).toBe(false);
  });
});

describe('a beat with something to tell', () => {
  test('stands in the session, marked, and is no sign of use (#109756, #22133, #60080)', async () => {
    const config = structuredClone(EVERY);
    Object.assign(config.agents!.defaults!.heartbeat!, { model: 'cheap', prompt: 'Look at /inbox' });
    const at = ready(config);
    at.says('The disk is full.');
    const outcome = await scheduled(at);
    expect(outcome).toMatchObject({
      status: 'ran',
      event: 'sent',
      text: 'The disk is full.',
      delivery: { status: 'queued', id: outcome.runId, channel: 'telegram', to: '123' },
    });
    const read = loadRecord(at.desk.layout, 'main', KEY);
    expect(read).toMatchObject({
      state: 'ok',
      record: { lastUserAt: NOON - HOUR, updatedAt: NOON - HOUR, messageCount: 2, lastRoute: ROUTE },
    });
    expect(read.state === 'ok' && read.record.model).toBeUndefined();
    const entries = files(at)
      ['sid.jsonl']!.trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(entries[1]).toMatchObject({ job: { kind: 'heartbeat', id: 'main' }, via: 'sender' });
    expect(entries[2]).toMatchObject({ type: 'turn', model: 'cheap' });
    expect(entries.at(-1)).toMatchObject({ status: 'replied', unasked: true });
    expect(at.prompts()[0]).toContain('Look at /inbox');
    expect(outbox(at)).toEqual([{ channel: 'telegram', to: '123', text: 'The disk is full.' }]);
  });

  test('its question is in no later prompt, its text is (#3389)', async () => {
    const at = ready();
    at.says('The disk is full.');
    await scheduled(at);
    at.says('HEARTBEAT_OK');
    await scheduled(at);
    const [, later = ''] = at.prompts();
    expect(later).toContain('The disk is full.');
    expect(later.match(/Read HEARTBEAT\.md/g)).toHaveLength(1);
  });

  test('is told once a day, whatever else is told in between', async () => {
    const at = ready();
    const tellsAt = async (hours: number, text: string) => {
      at.at(NOON + hours * HOUR);
      at.says(text);
      return (await scheduled(at)).reason ?? 'told';
    };
    expect(await tellsAt(0, 'A')).toBe('told');
    expect(await tellsAt(1, 'A')).toBe('duplicate');
    expect(await tellsAt(23, 'A')).toBe('duplicate');
    expect(await tellsAt(24, 'A')).toBe('told');
    expect(await tellsAt(25, 'B')).toBe('told');
    expect(await tellsAt(26, 'A')).toBe('duplicate');
    expect(outbox(at)).toHaveLength(3);
  });

  test('with a send policy that denies it is run, kept, and not sent', async () => {
    const at = ready({ ...EVERY, session: { sendPolicy: { default: 'deny' } } });
    at.says('The disk is full.');
    const denied = { status: 'denied', reason: 'session.sendPolicy.default' };
    expect(await scheduled(at)).toMatchObject({ event: 'skipped', reason: 'send-denied', delivery: denied });
    expect(files(at)['sid.jsonl']).toContain('The disk is full.');
    expect(outbox(at)).toEqual([]);
  });

  test('of an account that shows no alerts nothing is left (#12771)', async () => {
    const accounts = { default: { heartbeat: { showAlerts: false } } };
    const at = ready({ ...EVERY, channels: { telegram: { heartbeat: { showOk: true }, accounts } } });
    const before = files(at);
    at.says('Alert!');
    expect(await scheduled(at)).toMatchObject({ event: 'skipped', reason: 'alerts-disabled' });
    expect(files(at)).toEqual(before);
    at.says('HEARTBEAT_OK');
    await scheduled(at);
    expect(outbox(at)).toEqual([{ channel: 'telegram', to: '123', text: 'HEARTBEAT_OK' }]);
  });

  test('begins the session where nobody has, in one step', async () => {
    const at = testDesk({ agents: { defaults: { heartbeat: { target: 'telegram', to: '9' } } } }, NOON);
    at.heartbeatFile('- Look');
    at.says('Hello.');
    const outcome = await scheduled(at);
    expect(outcome).toMatchObject({ event: 'sent', delivery: { to: '9' } });
    const read = loadRecord(at.desk.layout, 'main', KEY);
    expect(read).toMatchObject({ state: 'ok', record: { sessionId: outcome.sessionId, messageCount: 2 } });
    expect(names(at.desk.layout.pending('main'))).toEqual([]);
  });

  test('what its owner could not put into the outbox, the next holder does', async () => {
    const at = ready();
    at.says('The disk is full.');
    await scheduled(at);
    const { layout } = at.desk;
    // As if it had died behind the append: the record is that of before, the outbox is empty, the mark stands.
    const [item] = listOutbox(layout).items;
    fs.rmSync(`${layout.outbox()}/${item!.id}.json`);
    const record = loadRecord(layout, 'main', KEY);
    if (record.state !== 'ok') throw new Error('no record');
    const header = files(at)['sid.jsonl']!.split('\n')[0]!;
    fs.writeFileSync(
      layout.record('main', KEY),
      JSON.stringify({ ...record.record, bytes: header.length + 1, messageCount: 0 }),
    );
    at.says('HEARTBEAT_OK');
    await scheduled(at);
    expect(listOutbox(layout).items.map(each => each.id)).toEqual([item!.id]);
    expect(loadRecord(layout, 'main', KEY)).toMatchObject({ record: { messageCount: 2 } });
  });
});

describe('a beat that finds events', () => {
  test('runs though HEARTBEAT.md asks for nothing, with the configured prompt as it is (#14130, #60080)', async () => {
    const config = structuredClone(EVERY);
    config.agents!.defaults!.heartbeat!.prompt = 'My own prompt.';
    const at = ready(config);
    at.heartbeatFile('# Nothing\n');
    at.says('HEARTBEAT_OK');
    expect(await scheduled(at)).toMatchObject({ status: 'skipped', reason: 'empty-heartbeat-file' });
    queue(at, 'The door is open.');
    at.says('The door is open!');
    expect(await scheduled(at)).toMatchObject({ status: 'ran', event: 'sent' });
    expect(at.prompts()).toHaveLength(1);
    expect(at.prompts()[0]).toMatch(
      /^System: \[2026-03-10 12:00:00 UTC\] The door is open\.\n\nMy own prompt\.\n/,
    );
    expect(listSystemEvents(at.desk.layout, 'main', KEY).events).toEqual([]);
    expect(outbox(at)).toEqual([{ channel: 'telegram', to: '123', text: 'The door is open!' }]);
  });

  test('keeps them when the agent fails, and tells them once (#131855, #131973, #105257)', async () => {
    const at = ready();
    queue(at, 'one');
    queue(at, 'two');
    at.says(1);
    expect(await scheduled(at)).toMatchObject({ status: 'failed', error: { code: 'exit' } });
    expect(listSystemEvents(at.desk.layout, 'main', KEY).events).toHaveLength(2);
    at.says('Told.');
    const both = await Promise.all([scheduled(at), wake(at.desk, 'main', KEY)]);
    expect(both.map(each => each.reason ?? each.event).sort()).toEqual(['requests-in-flight', 'sent']);
    expect(
      at
        .prompts()
        .slice(1)
        .filter(prompt => prompt.includes('] one')),
    ).toHaveLength(1);
    expect(listSystemEvents(at.desk.layout, 'main', KEY).events).toEqual([]);
  });

  test('a silent answer is sent to nobody, what it was told of stays known', async () => {
    const at = ready();
    queue(at, 'backup done');
    at.says('HEARTBEAT_OK');
    expect(await scheduled(at)).toMatchObject({ status: 'ran', event: 'ok-token' });
    expect(outbox(at)).toEqual([]);
    at.says('HEARTBEAT_OK');
    await scheduled(at);
    expect(at.prompts()[1]).toContain('System: backup done');
    expect(at.prompts()[1]!.match(/Read HEARTBEAT\.md/g)).toHaveLength(1);
  });

  test('a reminder that comes every hour is told every hour, however alike its words', async () => {
    const at = ready();
    at.says('Drink something!');
    for (const hour of [0, 1, 2]) {
      at.at(NOON + hour * HOUR);
      queue(at, 'drink');
      expect(await scheduled(at)).toMatchObject({ event: 'sent' });
    }
    expect(outbox(at)).toHaveLength(3);
  });
});

describe('a wake', () => {
  const off: ConfigInput = {
    agents: { defaults: { heartbeat: { every: '0m', activeHours: { start: '01:00', end: '02:00' } } } },
  };

  test('asks neither the switch, nor the hour, nor HEARTBEAT.md (#46046, #105413, #14527)', async () => {
    const at = ready(off);
    fs.rmSync(`${at.desk.layout.workspace('main')}/HEARTBEAT.md`);
    expect(await scheduled(at)).toMatchObject({ status: 'skipped', reason: 'disabled' });
    putWakingEvent(at.desk, { agentId: 'main', key: KEY, text: 'Time for the gym', source: 'cron' });
    expect(pendingOverview(at.desk.layout, 'main').wakes).toEqual(['main']);
    expect(listWakes(at.desk.layout, 'main')).toEqual([{ agentId: 'main', key: KEY, at: NOON, failures: 0 }]);
    at.says('Off to the gym! HEARTBEAT_OK');
    expect(await wake(at.desk, 'main', KEY)).toMatchObject({
      status: 'ran',
      event: 'sent',
      text: 'Off to the gym!',
    });
    expect(outbox(at)).toEqual([{ channel: 'telegram', to: '123', text: 'Off to the gym!' }]);
    expect(pendingOverview(at.desk.layout, 'main').wakes).toEqual([]);
    expect(fs.existsSync(`${at.desk.layout.workspace('main')}/HEARTBEAT.md`)).toBe(false);
    expect(readRuns(at.desk.layout, 'heartbeat:main').lines.at(-1)).toMatchObject({
      trigger: 'wake',
      status: 'ok',
    });
  });

  test('a session in use is left to the next one, with its mark', async () => {
    const at = ready();
    putWakingEvent(at.desk, { agentId: 'main', key: KEY, text: 'x', source: 'operator' });
    const lock = tryLock(at.desk.context, at.desk.layout.lock('main', KEY), KEY);
    at.says('x');
    expect(await wake(at.desk, 'main', KEY)).toMatchObject({
      status: 'skipped',
      reason: 'requests-in-flight',
    });
    lock!.release();
    expect(readWake(at.desk.layout, 'main', KEY)).not.toBeNull();
    expect(await wake(at.desk, 'main', KEY)).toMatchObject({ status: 'ran' });
  });

  test('a mark without an event goes, and is in no record', async () => {
    const at = ready();
    requestWake(at.desk, 'main', KEY);
    expect(await wake(at.desk, 'main', KEY)).toMatchObject({ status: 'skipped', reason: 'no-events' });
    expect(readWake(at.desk.layout, 'main', KEY)).toBeNull();
    expect(readRuns(at.desk.layout, 'heartbeat:main').lines).toEqual([]);
  });

  test('after a failure it rests for longer and longer, unless something new has happened', async () => {
    const at = ready();
    at.says(1);
    putWakingEvent(at.desk, { agentId: 'main', key: KEY, text: 'x', source: 'operator' });
    const outcomes: string[] = [];
    for (let minute = 0; minute < 30; minute++) {
      at.at(NOON + minute * MINUTE);
      const outcome = await wake(at.desk, 'main', KEY);
      outcomes.push(outcome.reason ?? outcome.status);
    }
    expect(outcomes.flatMap((each, minute) => (each === 'failed' ? [minute] : []))).toEqual([0, 1, 6, 21]);
    expect(outcomes[2]).toBe('backing-off');
    putWakingEvent(at.desk, { agentId: 'main', key: KEY, text: 'y', source: 'operator' });
    at.says('told');
    expect(await wake(at.desk, 'main', KEY)).toMatchObject({ status: 'ran' });
    expect(at.prompts().at(-1)).toMatch(/\] x\nSystem: .*\] y\n/);
    expect(readWake(at.desk.layout, 'main', KEY)).toBeNull();
  });

  test('more events than one turn holds are told by the next ones', async () => {
    const at = ready();
    at.says('NO_REPLY');
    for (let number = 0; number < 60; number++)
      putWakingEvent(at.desk, { agentId: 'main', key: KEY, text: `event ${number}`, source: 'operator' });
    await wake(at.desk, 'main', KEY);
    expect(readWake(at.desk.layout, 'main', KEY)).not.toBeNull();
    await wake(at.desk, 'main', KEY);
    expect(readWake(at.desk.layout, 'main', KEY)).toBeNull();
    const told = at.prompts().flatMap(prompt => prompt.match(/\] event \d+$/gm) ?? []);
    expect(told).toEqual(Array.from({ length: 60 }, (_, number) => `] event ${number}`));
  });

  test('of another conversation goes where that took place, whatever the target of heartbeats', async () => {
    const at = testDesk({ agents: { defaults: { heartbeat: { target: 'whatsapp', to: '+1' } } } }, NOON);
    const group: Origin = { channel: 'telegram', accountId: 'default', chatType: 'group', groupId: '-1' };
    const key = 'agent:main:telegram:group:-1';
    at.session({ key, chatType: 'group', lastRoute: group });
    at.says('Standup!');
    queue(at, 'standup', key);
    expect(await runBeat(at.desk, heartbeatOf(at.config, 'main'), key, { trigger: 'wake' })).toMatchObject({
      event: 'sent',
      delivery: { channel: 'telegram', to: '-1' },
    });
    clearWake(at.desk.layout, 'main', key);
  });
});

test('a beat that was ended from outside leaves nothing, and the next one runs', async () => {
  const at = ready();
  const before = files(at);
  const control = new AbortController();
  fs.writeFileSync(`${at.desk.layout.home}/answer`, 'sleep 30');
  const ended = beat(at.desk, 'main', { trigger: 'schedule', signal: control.signal });
  while (at.prompts().length === 0) await new Promise(resolve => setTimeout(resolve, 5));
  control.abort();
  await expect(ended).rejects.toThrow();
  expect(files(at)).toEqual(before);
  at.says('HEARTBEAT_OK');
  expect(await scheduled(at)).toMatchObject({ event: 'ok-token' });
});

test('an unreadable HEARTBEAT.md is not taken for an empty one', async () => {
  const at = ready();
  fs.rmSync(`${at.desk.layout.workspace('main')}/HEARTBEAT.md`);
  fs.mkdirSync(`${at.desk.layout.workspace('main')}/HEARTBEAT.md`);
  at.says('HEARTBEAT_OK');
  expect(await scheduled(at)).toMatchObject({ status: 'ran' });
});

test('a record that cannot be read is told, and left', async () => {
  const at = ready();
  fs.writeFileSync(at.desk.layout.record('main', KEY), '{');
  at.says('HEARTBEAT_OK');
  expect(await scheduled(at)).toMatchObject({ status: 'failed', error: { code: 'state-unreadable' } });
  expect(fs.readFileSync(at.desk.layout.record('main', KEY), 'utf8')).toBe('{');
});
