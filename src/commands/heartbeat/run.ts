import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { configuredAgentId } from '../../core/routing/route.ts';
import { heartbeatJob, heartbeatOf } from '../../core/schedule/heartbeat.ts';
import { type BeatOutcome, beat, beatRecord } from '../../runner/beat.ts';
import { deliver } from '../../runner/deliver.ts';
import { type Desk, TurnInterrupted } from '../../runner/desk.ts';
import { encodeKey } from '../../store/layout.ts';
import { tryLock } from '../../store/lock.ts';
import { appendRuns } from '../../store/runs.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printError, printJson, printOut } from '../output.ts';

export class HeartbeatRunCommand extends ClawCommand {
  static override paths = [['heartbeat', 'run']];
  static override usage = Command.Usage({
    description:
      'Have the heart of an agent beat once, now. The schedule stays as it is; switch, hours and HEARTBEAT.md count as ever.',
    examples: [
      ['The default agent', 'claw heartbeat run'],
      ['Another one', 'claw heartbeat run --agent work'],
    ],
  });

  agent = Option.String('--agent', { description: 'agent; default: the default agent' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'heartbeat run');
    const desk = await openDesk(context, { log: 'heartbeat run' });
    const agentId =
      this.agent === undefined ? defaultAgentId(desk.config) : configuredAgentId(this.agent, desk.config);
    const job = heartbeatJob(agentId);
    const lock = tryLock(context, desk.layout.runningLock(encodeKey(job)), job);
    if (!lock) {
      const busy = { agentId, status: 'skipped', event: 'skipped', reason: 'overlap' };
      if (this.json) printJson(busy);
      else printOut(`${agentId}  skipped: a heartbeat of this agent runs already\n`);
      return EXIT.ok;
    }
    const { signal } = endedBySignals();
    let outcome: BeatOutcome;
    try {
      outcome = await beat(desk, agentId, { trigger: 'manual', signal });
      appendRuns(context, desk.layout, job, [beatRecord(desk, outcome, { trigger: 'manual' })]);
    } catch (error) {
      if (!(error instanceof TurnInterrupted)) throw error;
      this.warn('interrupted; what had been begun is ended by the next tick');
      return EXIT.tempfail;
    } finally {
      lock.release();
    }
    const sent = await sendNow(desk, outcome);
    if (this.json) printJson({ ...outcome, sent });
    else printOut(`${agentId}  ${tellOutcome(desk, outcome, sent)}\n`);
    return statusOf(outcome, this.json);
  }
}

/** A signal that ends with any of the usual ways to end a program. */
export function endedBySignals(): AbortController {
  const control = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => control.abort());
  return control;
}

/** Sends what a beat has put into the outbox; false where it has to wait, null where there is nothing. */
export async function sendNow(desk: Desk, { delivery }: BeatOutcome): Promise<boolean | null> {
  const id = delivery?.status === 'queued' ? delivery.id : undefined;
  if (id === undefined) return null;
  const report = await deliver(desk, { only: item => item.id === id });
  return report.sent.includes(id);
}

/** One outcome in words, its text behind it. */
export function tellOutcome(desk: Desk, outcome: BeatOutcome, sent: boolean | null): string {
  const { status, event, text, error, delivery } = outcome;
  if (status === 'failed') return `failed: ${error?.message ?? 'no reason is known'}`;
  if (status === 'skipped') return `skipped: ${inWords(desk, outcome)}`;
  if (event === 'ok-token' || event === 'ok-empty') return 'nothing to tell';
  const where = [delivery?.channel, delivery?.to].filter(Boolean).join(' ');
  const became =
    event === 'sent'
      ? sent
        ? `sent to ${where}`
        : `to be sent to ${where} (claw delivery list)`
      : `told nobody: ${inWords(desk, outcome)}`;
  return `${became}\n${text ?? ''}`;
}

function inWords(desk: Desk, { reason, agentId, delivery }: BeatOutcome): string {
  const heartbeat = heartbeatOf(desk.config, agentId);
  switch (reason) {
    case 'disabled':
      return `off: ${heartbeat.off?.key ?? ''} ${heartbeat.off?.reason ?? ''}`.trim();
    case 'quiet-hours':
      return 'outside activeHours';
    case 'requests-in-flight':
      return 'its session is in use';
    case 'empty-heartbeat-file':
      return 'HEARTBEAT.md asks for nothing, and no event waits';
    case 'no-events':
      return 'no event waits';
    case 'backing-off':
      return 'the last turn for it failed a short time ago';
    case 'duplicate':
      return 'the same was told less than a day ago';
    case 'alerts-disabled':
      return `channels.${delivery?.channel ?? '<channel>'}.heartbeat.showAlerts is false`;
    case 'send-denied':
      return `${delivery?.reason ?? 'the send policy'} holds it back`;
    case 'target-none':
      return 'heartbeat.target is none';
    case 'no-target':
      return 'nobody is known to send it to; set heartbeat.target and heartbeat.to';
    default:
      return reason ?? '';
  }
}

/** The exit status; a failure is told on stderr too. */
export function statusOf({ status, error }: BeatOutcome, json: boolean): number {
  if (status !== 'failed') return EXIT.ok;
  if (json) printError(`${JSON.stringify({ error })}\n`);
  else printError(`claw: ${error?.message}\n  try: ${error?.hint ?? 'claw heartbeat status'}\n`);
  return EXIT.unavailable;
}
