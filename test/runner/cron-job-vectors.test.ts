/** The conformance vectors about what a job does when its time has come, with a real agent or a stubbed outcome. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/schema.ts';
import { deliveryOf, type JobPayload } from '../../src/core/schedule/job.ts';
import { reduceRuns } from '../../src/core/schedule/run-record.ts';
import type { Origin } from '../../src/core/session/session.ts';
import { targetOf } from '../../src/runner/carry-out.ts';
import { type Ending, perform } from '../../src/runner/perform.ts';
import { jobPerformer } from '../../src/runner/performer.ts';
import { gatherTasks, nextOf } from '../../src/runner/tasks.ts';
import { tick } from '../../src/runner/tick.ts';
import { putWakingEvent } from '../../src/runner/wake.ts';
import { loadJobs } from '../../src/store/jobs.ts';
import { readWake } from '../../src/store/pending.ts';
import { readRuns } from '../../src/store/runs.ts';
import { listSystemEvents, putSystemEvent } from '../../src/store/system-events.ts';
import { MINUTE } from '../core/turn-facts.ts';
import vectors from '../fixtures/vectors/cron-job.json' with { type: 'json' };
import { testDesk } from './desk.ts';

/** Vectors that do not hold for claw, with the reason. */
const LEFT_OUT: Record<string, string> = {
  'cj-032': 'an event without text is refused when its definition is read: nothing of it runs',
  'cj-047': 'an exception is told by its message alone, without the word "Error" (see below)',
  'cj-080': 'the reply of an agent command is text: there is no media beside it',
};
const OPS = ['run', 'wake', 'isolatedPrompt', 'heartbeatOnly', 'deliveryRequested'];

interface Given {
  op: string;
  now?: string;
  store?: Record<string, { lastChannel: string; lastTo: string }>;
  input: any;
}

const CONFIG: ConfigInput = {
  agents: {
    // Somebody hears of what an event leads to; a reminder that nobody hears is kept here.
    defaults: { heartbeat: { every: '0m', target: 'telegram', to: '99' } },
    list: [{ id: 'main', default: true }, { id: 'ops' }],
  },
  channels: { telegram: { send: { file: '/dev/null' } } },
};
const signal = new AbortController().signal;

async function runVector({ now, input }: Given): Promise<object> {
  const { job, durationMs, isolatedOutcome } = input;
  const start = Date.parse(now!);
  const at = testDesk(CONFIG, start);
  const { desk } = at;
  at.says('told');
  const file = desk.layout.jobs();
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, JSON.stringify({ version: 1, jobs: [job] }), { mode: 0o600 });
  fs.utimesSync(file, new Date(start - 5 * MINUTE), new Date(start - 5 * MINUTE));
  let ran = true;
  if (isolatedOutcome === undefined) await tick(desk, { signal });
  else {
    const { tasks } = gatherTasks(desk);
    const done = await perform(
      desk,
      tasks[0]!,
      'due',
      {
        ...jobPerformer(desk, null),
        carryOut: async () => {
          at.at(start + durationMs);
          return endingOf(isolatedOutcome);
        },
      },
      { signal },
    );
    ran = done.state === 'done';
  }
  const agentId = job.agentId ?? 'main';
  const key = `agent:${agentId}:main`;
  const waiting = listSystemEvents(desk.layout, agentId, key).events.map(({ text }) => text);
  const told = at.prompts().flatMap(prompt => prompt.match(/(?<=System: \[[^\]]*\] ).*/g) ?? []);
  const state = reduceRuns(readRuns(desk.layout, job.id).lines);
  const left = loadJobs(desk);
  const there = left.state === 'ok' && left.jobs.length > 0;
  const next = nextOf(gatherTasks(desk));
  return {
    ran,
    job: there
      ? {
          // A one-shot that has been done stands as it was written, and is not due any more.
          enabled: !state.done,
          state: {
            lastStatus: state.last?.status,
            lastRunAtMs: state.last?.startedAt,
            lastDurationMs: state.last?.durationMs,
            lastError: state.last?.error?.message ?? null,
            nextRunAtMs: next,
            runningAtMs: null,
          },
        }
      : null,
    systemEvents: [...told, ...waiting],
    heartbeatRun: at.prompts().length > 0,
    wakeRequested: readWake(desk.layout, agentId, key) !== null,
    systemEventAgent: waiting.length > 0 ? agentId : undefined,
  };
}

function endingOf({ status, summary, error, outputText, throws }: any): Ending {
  if (throws !== undefined) throw new Error(throws);
  return {
    status,
    ...(summary === undefined ? {} : { summary }),
    ...(outputText === undefined ? {} : { text: outputText }),
    ...(error === undefined ? {} : { error: { code: 'failed', message: error } }),
  };
}

function wakeVector({ input: { mode, text } }: Given): object {
  const at = testDesk(CONFIG, Date.parse('2026-01-12T10:00:00Z'));
  const { desk } = at;
  const key = 'agent:main:main';
  const event = { agentId: 'main', key, text: text.trim(), source: 'operator' as const };
  if (mode === 'now') putWakingEvent(desk, event);
  else putSystemEvent(desk.context, desk.layout, event);
  return {
    ok: true,
    systemEvents: listSystemEvents(desk.layout, 'main', key).events.map(each => each.text),
    wakeRequested: readWake(desk.layout, 'main', key) !== null,
  };
}

function deliveryVector({ store, input: { payload } }: Given): object {
  const at = testDesk(CONFIG, Date.parse('2026-01-12T10:00:00Z'));
  const { lastChannel, lastTo } = store!['agent:main:main']!;
  const lastRoute: Origin = { channel: lastChannel, accountId: 'default', chatType: 'dm', from: lastTo };
  at.session({ lastRoute });
  const target = targetOf(at.desk, { payload: payload as JobPayload, sessionTarget: 'isolated' }, 'main');
  return {
    deliver: deliveryOf(payload as JobPayload) !== null,
    ...(target !== null && target !== 'none' ? { to: target.to ?? target.from } : {}),
  };
}

describe('conformance vectors', () => {
  const mine = (vectors as { id: string; given: Given; expect: any; note: string }[]).filter(({ given }) =>
    OPS.includes(given.op),
  );
  test('there are some', () => expect(mine.length).toBeGreaterThan(15));
  for (const { id, given, expect: expected, note } of mine) {
    if (id in LEFT_OUT) continue;
    test(`${id} ${given.op} ${note}`, async () => {
      const found =
        given.op === 'run'
          ? await runVector(given)
          : given.op === 'wake'
            ? wakeVector(given)
            : deliveryVector(given);
      expect(found).toMatchObject(expected);
    });
  }
});

test('an exception becomes an error, told by its message (cj-047)', async () => {
  const vector = (vectors as any[]).find(({ id }) => id === 'cj-047');
  expect(await runVector(vector.given)).toMatchObject({
    job: { state: { lastStatus: 'error', lastError: 'kaput' } },
    systemEvents: ['Cron (error): kaput'],
  });
});

test('in full means all of it, not the beginning that its record holds', async () => {
  const vector = (vectors as any[]).find(({ id }) => id === 'cj-045');
  const given = structuredClone(vector.given);
  given.input.job.isolation = { postToMainMode: 'full' };
  given.input.isolatedOutcome.outputText = 'x'.repeat(9000);
  expect(await runVector(given)).toMatchObject({ systemEvents: [`Cron: ${'x'.repeat(8000)}…`] });
});
