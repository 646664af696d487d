import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { contextWindow } from '../../core/context/history.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { agentEntry } from '../../core/routing/binding.ts';
import { reportReset, resetType, resolveResetPolicy } from '../../core/session/reset.ts';
import { judgeFreshness } from '../../core/turn.ts';
import type { Desk } from '../../runner/desk.ts';
import { lineNumber, parseLine, readForward } from '../../store/jsonl-file.ts';
import { holderOf } from '../../store/lock.ts';
import { listWaiting } from '../../store/pending.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { age, printable, tokens } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { timeOption } from '../time-option.ts';
import { type FoundSession, findSession } from './find.ts';
import { messagesOf } from './history.ts';
import { rowOf } from './rows.ts';

export class SessionsShowCommand extends ClawCommand {
  static override paths = [['sessions', 'show']];
  static override usage = Command.Usage({
    description:
      'One session: record, effective reset policy and verdict, tokens, settings with their sources.',
    examples: [
      ['The main session', 'claw sessions show main'],
      ['Would it be reset tomorrow at five?', 'claw sessions show main --at 2026-11-22T05:00'],
    ],
  });

  name = Option.String({ name: 'key-or-id' });
  verbose = Option.Boolean('--verbose', false, {
    description: 'with the last turns, and bad lines counted over the whole transcript',
  });
  at = Option.String('--at', { description: 'verdicts as of this time' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const found = findSession(desk, this.name);
    if (!found.record) {
      throw new ClawError(
        'usage',
        'session-archived',
        `${this.name} is an archived transcript`,
        `claw sessions history ${this.name}`,
      );
    }
    const document = show(desk, { ...found, record: found.record }, timeOption(this.at, desk), this.verbose);
    if (this.json) printJson(document);
    else printOut(describe(document));
    for (const bad of document.badLines)
      this.warn(`${document.transcript}:${bad.line}: ${bad.reason}; the line is left in place`);
    return EXIT.ok;
  }
}

function show(
  desk: Desk,
  found: FoundSession & { record: NonNullable<FoundSession['record']> },
  now: number,
  verbose: boolean,
) {
  const { record, agentId } = found;
  const { config, layout } = desk;
  const thread = record.lastRoute?.threadId;
  const type = resetType({
    sessionKey: record.key,
    chatType: record.chatType,
    ...(thread ? { threadId: thread } : {}),
  });
  const policy = resolveResetPolicy({ session: config.session, type, channel: record.channel });
  const verdict = judgeFreshness(
    config,
    record,
    { channel: record.channel, ...(thread ? { threadId: thread } : {}) },
    now,
    desk.zone,
  );
  const transcript = layout.transcript(agentId, record.sessionId);
  const file = fs.statSync(transcript, { throwIfNoEntry: false });
  const badLines = verbose && file ? findBadLines(transcript) : [];
  return {
    ...rowOf(desk, record, now),
    createdAt: new Date(record.createdAt).toISOString(),
    startedAt: new Date(record.startedAt).toISOString(),
    lastUserAt: record.lastUserAt === undefined ? null : new Date(record.lastUserAt).toISOString(),
    record: layout.record(agentId, record.key),
    transcript,
    transcriptBytes: file?.size ?? null,
    reset: reportReset(type, policy, desk.zone, verdict),
    settings: {
      model: setting(
        record.settings.model,
        agentEntry(config, agentId)?.model,
        config.agents?.defaults?.model,
        null,
      ),
      thinkingLevel: setting(
        record.settings.thinkingLevel,
        agentEntry(config, agentId)?.thinkingLevel,
        config.agents?.defaults?.thinkingLevel,
        null,
      ),
      runner: setting(
        undefined,
        agentEntry(config, agentId)?.runner,
        config.agents?.defaults?.runner,
        'recall',
      ),
      contextTokens: setting(
        undefined,
        agentEntry(config, agentId)?.contextTokens,
        config.agents?.defaults?.contextTokens,
        contextWindow(config, agentId),
      ),
    },
    lastRoute: record.lastRoute ?? null,
    busy: holderOf(layout.lock(agentId, record.key)) !== null,
    waiting: listWaiting(layout, agentId, record.key).waiting.length,
    malformedLines: verbose ? badLines.length : null,
    badLines,
    turns: verbose && file ? messagesOf(transcript, 20, false) : [],
  };
}

function setting<T>(
  session: T | undefined,
  agent: T | undefined,
  defaults: T | undefined,
  fallback: T | null,
) {
  if (session !== undefined) return { value: session, source: 'session' };
  if (agent !== undefined) return { value: agent, source: 'agent' };
  if (defaults !== undefined) return { value: defaults, source: 'agents.defaults' };
  return { value: fallback, source: 'default' };
}

function findBadLines(file: string): { line: number; reason: string }[] {
  const bad: { line: number; reason: string }[] = [];
  for (const line of readForward(file)) {
    const value = parseLine(line.bytes);
    if (typeof value === 'string') bad.push({ line: lineNumber(file, line.offset), reason: value });
  }
  return bad;
}

function describe(session: ReturnType<typeof show>): string {
  const { reset, settings } = session;
  const lines = [
    `session    ${session.key}`,
    `id         ${session.sessionId}${session.previousSessionId ? ` (before: ${session.previousSessionId})` : ''}`,
    `activity   ${age(session.ageMs)} ago, ${session.messageCount} messages, begun ${session.startedAt}`,
    `tokens     ${tokens(Math.round((session.percentUsed * session.contextTokens) / 100), session.contextTokens)}${session.tokensEstimated ? ' estimated' : ''}`,
    `reset      ${reset.fresh ? 'fresh' : `stale (${reset.reason}); the next message begins a new session`}; policy ${reset.policy.mode}`,
    ...(reset.dailyResetAt
      ? [`           last daily boundary ${reset.dailyResetAt} (${reset.policy.tz})`]
      : []),
    ...(reset.idleExpiresAt ? [`           idle until ${reset.idleExpiresAt}`] : []),
    ...Object.entries(settings).map(
      ([name, { value, source }]) => `${name.padEnd(14)} ${value ?? '-'} (${source})`,
    ),
    `transcript ${session.transcript}${session.transcriptBytes === null ? ' (gone)' : ` (${session.transcriptBytes} bytes)`}`,
    `state      ${session.busy ? 'a turn is running' : 'free'}, ${session.waiting} waiting`,
    ...session.turns.map(turn => `${turn.at}  ${turn.role.padEnd(9)} ${printable(turn.text).slice(0, 200)}`),
  ];
  return `${lines.join('\n')}\n`;
}
