import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { ConfigInput } from '../../config/schema.ts';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { configuredAgentId, readNamedKey } from '../../core/routing/route.ts';
import { mainSessionKey } from '../../core/routing/session-key.ts';
import { callerHops, maySend, unknownSession, type Viewer, viewerOf } from '../../core/routing/visibility.ts';
import { beatSessions, heartbeatOf } from '../../core/schedule/heartbeat.ts';
import { sessionOfBeat } from '../../runner/beat.ts';
import { type Desk, TurnInterrupted } from '../../runner/desk.ts';
import { checkedHops } from '../../runner/ingest.ts';
import { agentOf } from '../../runner/send.ts';
import { putWakingEvent, wake } from '../../runner/wake.ts';
import { loadRecord } from '../../store/sessions.ts';
import { putSystemEvent } from '../../store/system-events.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { endedBySignals, sendNow, statusOf, tellOutcome } from '../heartbeat/run.ts';
import { decodeText, MAX_BYTES, readInput, tooLarge } from '../input.ts';
import { printJson, printOut } from '../output.ts';

type Mode = 'now' | 'next-heartbeat';

export class SystemEventCommand extends ClawCommand {
  static override paths = [['system', 'event']];
  static override usage = Command.Usage({
    description:
      'Let an agent know of something that has happened: with its next turn or heartbeat, or by a turn begun for it.',
    examples: [
      ['With the next heartbeat', 'claw system event --text "The backup is done."'],
      ['At once', 'claw system event --text "Time for the gym" --mode now'],
      ['From a program', 'uptime | claw system event --agent ops'],
    ],
  });

  text = Option.String('--text', { description: 'what has happened; default: standard input' });
  mode = Option.String('--mode', 'next-heartbeat', {
    description:
      'next-heartbeat (default): it waits for the next turn or heartbeat; now: a turn is begun for it',
  });
  agent = Option.String('--agent', {
    description: 'agent; default: the one of the session, else the default agent',
  });
  session = Option.String('--session', {
    description: 'session that is told; default: the one heartbeats run in',
  });

  override async run(context: Context): Promise<number> {
    const mode = this.checkedMode();
    const desk = await openDesk(context, { log: 'system event' });
    const viewer = viewerOf(context.env);
    const { agentId, key } = this.place(desk, viewer);
    const hops = checkedHops(desk, callerHops(context.env), 'answer instead');
    const text = await this.readText(desk.config);
    const event = {
      agentId,
      key,
      text,
      source: viewer ? ('session' as const) : ('operator' as const),
      ...(viewer ? { from: viewer.key, hops } : {}),
    };
    const heartbeat = heartbeatOf(desk.config, agentId);
    const isBeaten = heartbeat.off === null && sessionOfBeat(desk, heartbeat) === key;
    // With no heartbeat to wait for it would wait until a person happens to write.
    const wakes =
      mode === 'now' || (heartbeat.off !== null && beatSessions(desk.config, heartbeat).includes(key));
    const id = wakes ? putWakingEvent(desk, event) : putSystemEvent(context, desk.layout, event);
    const base = { id, agentId, sessionKey: key, mode };
    if (mode === 'now' && viewer === null) return this.wakeNow(desk, base);
    const waitsFor = wakes ? 'tick' : isBeaten ? 'heartbeat' : 'turn';
    if (this.json) printJson({ ...base, waitsFor, wake: null });
    else printOut(`Queued for ${key}: ${WAITS_FOR[waitsFor]}.\n`);
    return EXIT.ok;
  }

  /** The event is queued; whatever goes wrong from here on, the mark in `pending/` has the next tick do it. */
  private async wakeNow(desk: Desk, base: { agentId: string; sessionKey: string }): Promise<number> {
    const { agentId, sessionKey } = base;
    const { signal } = endedBySignals();
    const outcome = await wake(desk, agentId, sessionKey, { signal, force: true }).catch((error: Error) => {
      if (!(error instanceof TurnInterrupted)) this.warn(error.message);
      return null;
    });
    const isLeft = outcome === null || outcome.reason === 'requests-in-flight';
    // Another process told it between the queueing and the look.
    const isToldElsewhere = outcome?.reason === 'no-events';
    if (outcome === null || isLeft || isToldElsewhere) {
      const waitsFor = isToldElsewhere ? null : 'tick';
      if (this.json) printJson({ ...base, waitsFor, wake: outcome });
      else
        printOut(
          isToldElsewhere
            ? `Told to ${sessionKey} by a turn that was under way.\n`
            : `Queued for ${sessionKey}: ${outcome === null ? WAITS_FOR.tick : BUSY}.\n`,
        );
      return EXIT.ok;
    }
    const sent = await sendNow(desk, outcome);
    const waitsFor = outcome.status === 'failed' ? 'tick' : null;
    if (this.json) printJson({ ...base, waitsFor, wake: { ...outcome, sent } });
    else printOut(`${sessionKey}  ${tellOutcome(desk, outcome, sent)}\n`);
    if (waitsFor !== null) this.warn('the event is kept; the next tick, or the next message, tells it');
    return statusOf(outcome, this.json);
  }

  private checkedMode(): Mode {
    if (this.mode === 'now' || this.mode === 'next-heartbeat') return this.mode;
    throw usage(`--mode ${this.mode}: expected now or next-heartbeat`);
  }

  /** The session that is told. @throws ClawError usage; noPermission where an agent may not write to it */
  private place(desk: Desk, viewer: Viewer | null): { agentId: string; key: string } {
    const { config, layout } = desk;
    const named = this.agent === undefined ? undefined : configuredAgentId(this.agent, config);
    const typed =
      this.session === undefined ? undefined : readNamedKey(this.session, config, named ?? viewer?.agentId);
    const ofKey = typed === undefined ? undefined : configuredAgentId(agentOf(typed), config);
    if (named !== undefined && ofKey !== undefined && named !== ofKey)
      throw usage(`session ${typed} belongs to agent "${ofKey}", not "${named}"`);
    const agentId = ofKey ?? named ?? viewer?.agentId ?? defaultAgentId(config);
    const key = typed ?? sessionOfBeat(desk, heartbeatOf(config, agentId));
    const read = loadRecord(layout, agentId, key);
    const spawnedBy = read.state === 'ok' ? read.record.spawnedBy : undefined;
    // What stands behind "System:" is believed; an agent may say that to none but its own.
    const isAllowed =
      viewer === null || (viewer.agentId === agentId && maySend(viewer, { agentId, key, spawnedBy }, config));
    if (!isAllowed) {
      throw new ClawError(
        'noPermission',
        'other-session',
        `an agent of session ${JSON.stringify(viewer.key)} may not queue an event for ${JSON.stringify(key)}`,
        `claw system event --session ${viewer.key}`,
      );
    }
    const isTold = key === mainSessionKey(agentId, config.session) || typed === undefined;
    if (read.state === 'missing' && !isTold) throw unknownSession(key);
    return { agentId, key };
  }

  private async readText(config: ConfigInput): Promise<string> {
    const limit = config.messages?.maxBytes ?? MAX_BYTES;
    if (this.text === undefined && fs.fstatSync(0).isCharacterDevice() && process.stdin.isTTY)
      throw usage('there is no text: give --text, or standard input');
    const text = this.text ?? decodeText(await readInput(limit));
    if (Buffer.byteLength(text) > limit) throw tooLarge(limit);
    if (text.trim() === '') throw usage('the text is blank');
    return text.trim();
  }
}

const WAITS_FOR = {
  tick: 'the next tick begins a turn for it',
  heartbeat: 'its next turn or heartbeat tells it',
  turn: 'its next turn tells it',
} as const;

const BUSY = 'a turn is under way there; the next tick begins one for it';

function usage(message: string): ClawError {
  return new ClawError('usage', 'usage', message, 'claw system event --help');
}
