/**
 * A storm: many senders to a few sessions at once, through an agent that takes its time, while processes of claw are
 * killed and stopped for a while at random and a timer ticks. Then quiet, ticks until nothing is left, and the account.
 */
import fs from 'node:fs';
import { check, isAcceptance, readTranscripts } from './check.ts';
import { names, Place, type Program, parse, type Running } from './lab.ts';
import { between, type Random, random } from './random.ts';
import { config } from './scenarios.ts';

export interface StormOptions {
  seconds: number;
  senders: number;
  sessions: number;
  seed: number;
  /** share of the processes that are killed, and that are stopped for a while */
  kill: number;
  stop: number;
}

export interface StormReport {
  sent: number;
  acknowledged: number;
  killed: number;
  stopped: number;
  agents: number;
  findings: string[];
}

const MAX_TICKS = 20;

export async function storm(program: Program, options: StormOptions): Promise<StormReport> {
  const slow = config(
    {
      session: { reset: { mode: 'off' }, dmScope: 'per-peer' },
    },
    { env: { AGENT_SLEEP: '0.25' } },
  );
  const place = Place.create(program, slow);
  const report: StormReport = { sent: 0, acknowledged: 0, killed: 0, stopped: 0, agents: 0, findings: [] };
  const acknowledged = new Set<string>();
  const chance = random(options.seed);
  const end = Date.now() + options.seconds * 1000;
  try {
    const sender = async () => {
      while (Date.now() < end) {
        const id = `m${++report.sent}`;
        const args = argsFor(id, chance, options.sessions);
        // Who hears nothing asks again, sometimes.
        for (let attempt = 1; attempt <= 2; attempt++) {
          const run = place.start(args);
          const struck = trouble(run, chance, options, report);
          const ended = await run.done;
          await struck;
          const result = parse(ended.stdout);
          if (result?.messageId === id) acknowledged.add(id);
          if (ended.hung) report.findings.push(`the sender of ${id} hung`);
          else if (ended.signal === null && ![0, 69].includes(ended.status ?? -1))
            report.findings.push(`the sender of ${id}: exit ${ended.status}, ${ended.stderr.slice(0, 300)}`);
          if (result !== undefined || Date.now() > end || chance() < 0.5) break;
        }
      }
    };
    const timer = async () => {
      while (Date.now() < end) {
        const run = place.start(['tick', '--json']);
        const struck = trouble(run, chance, options, report);
        const ended = await run.done;
        await struck;
        if (ended.hung) report.findings.push('a tick hung');
        else if (ended.signal === null && ended.status !== 0)
          report.findings.push(`a tick: exit ${ended.status}, ${ended.stderr.slice(0, 300)}`);
        await new Promise(resolve => setTimeout(resolve, 200));
      }
    };
    await Promise.all([timer(), ...Array.from({ length: options.senders }, sender)]);
    report.findings.push(...(await calm(place)));
    report.acknowledged = acknowledged.size;
    report.agents = place.lives().filter(([kind]) => kind === 'S').length;
    report.findings.push(...account(place, report.sent, acknowledged));
    if (process.env.CLAW_FAULTS_KEEP && report.findings.length > 0)
      report.findings.push(`its files: ${place.folder}`);
    return report;
  } finally {
    place.remove();
  }
}

function argsFor(id: string, chance: Random, sessions: number): string[] {
  const from = String(between(chance, 1, sessions));
  const text = chance() < 0.05 ? `/new about ${id}` : `about ${id}`;
  return [
    'ingest',
    ...['--json', '--channel', 't', '--from', from, '--id', id],
    text,
    ...(chance() < 0.1 ? ['--no-wait'] : []),
  ];
}

/** Perhaps kills a process after a while, or stops it and lets it go on; resolves when it will do no more. */
async function trouble(
  run: Running,
  chance: Random,
  { kill, stop }: StormOptions,
  report: StormReport,
): Promise<void> {
  const pause = (ms: number) => Promise.race([run.done, new Promise(resolve => setTimeout(resolve, ms))]);
  if (chance() < stop) {
    await pause(between(chance, 40, 400));
    if (run.ended() || !run.child.kill('SIGSTOP')) return;
    report.stopped++;
    await new Promise(resolve => setTimeout(resolve, between(chance, 200, 1500)));
    run.child.kill('SIGCONT');
  }
  if (chance() < kill) {
    await pause(between(chance, 40, 700));
    if (!run.ended() && run.child.kill('SIGKILL')) report.killed++;
  }
}

/** Ticks until nothing is left to do. */
async function calm(place: Place): Promise<string[]> {
  const left = () => names(place.path('pending/main')).filter(name => !name.endsWith('.failed'));
  const findings: string[] = [];
  for (let times = 1; times <= MAX_TICKS; times++) {
    const run = await place.run(['tick', '--json']);
    if (run.status !== 0)
      findings.push(`a tick after the storm: exit ${run.status}, ${run.stderr.slice(0, 300)}`);
    // Once more when all is done: it must find nothing.
    if (left().length === 0 && times > 1) return findings;
  }
  return [...findings, `${MAX_TICKS} ticks, and still left: ${left().join(', ')}`];
}

function account(place: Place, sent: number, acknowledged: Set<string>): string[] {
  const ids = Array.from({ length: sent }, (_, index) => `m${index + 1}`);
  const findings = check(place, {
    sent: ids.map(id => ({ id, due: acknowledged.has(id) })),
    pending: /\.failed$/,
  });
  const failed = new Set(
    names(place.path('pending/main'))
      .filter(name => name.endsWith('.failed'))
      .flatMap(name => parse(fs.readFileSync(place.path('pending/main', name), 'utf8'))?.messageIds ?? []),
  );
  const { transcripts } = readTranscripts(place.home);
  for (const { entries } of transcripts) {
    for (const entry of entries) {
      if (!isAcceptance(entry) || entry.type === 'command' || entry.recorded) continue;
      const runs = entries.filter(each => each.type === 'turn' && each.messageIds.includes(entry.id));
      const ends = entries.filter(
        each => each.type === 'turn_end' && runs.some(run => run.runId === each.runId),
      );
      const status = ends.at(-1)?.status;
      const replies = entries.filter(
        each => each.message?.role === 'assistant' && runs.some(run => run.runId === each.runId),
      );
      if (status === 'replied') {
        if (replies.length !== 1) findings.push(`message ${entry.id} has ${replies.length} replies`);
        else if (!replies[0].message.content.includes(`about ${entry.id}`))
          findings.push(`message ${entry.id} was answered ${JSON.stringify(replies[0].message.content)}`);
      } else if (!['failed', 'interrupted'].includes(status))
        findings.push(`message ${entry.id} ended ${status ?? 'not at all'}`);
      else if (!failed.has(entry.id))
        findings.push(`message ${entry.id} ended ${status}, and is in no inbox`);
    }
  }
  return findings;
}
