import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { agentEntry, runnerName } from '../../core/agent.ts';
import { contextWindowOf } from '../../core/context/history.ts';
import { EXIT } from '../../core/errors.ts';
import { tell } from '../../core/notice.ts';
import { reportReset, resetType, resolveResetPolicy } from '../../core/session/reset.ts';
import type { Origin, SessionRecord } from '../../core/session/session.ts';
import { resolveSettings } from '../../core/session/settings.ts';
import { judgeFreshness } from '../../core/turn.ts';
import type { Desk } from '../../runner/desk.ts';
import { settingsOf } from '../../runner/judge.ts';
import { keepsSession, runnerOf, sendsHistory } from '../../runner/resolve.ts';
import { describeArchived, listArchives } from '../../store/archives.ts';
import { describeHolder } from '../../store/lock.ts';
import { listWaiting } from '../../store/pending.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { age, isoTime, printable, tokens } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { timeOption } from '../time-option.ts';
import { type ArchivedRow, archivedRow } from './archived.ts';
import { type FoundSession, findSession } from './find.ts';
import { type FlushReport, reportFlush } from './memory-flush.ts';
import { rowOf } from './rows.ts';
import { reportTranscript, type TurnReport } from './turns.ts';

export class SessionsShowCommand extends ClawCommand {
  static override paths = [['sessions', 'show']];
  static override usage = Command.Usage({
    description:
      'One session: record, effective reset policy and verdict, tokens, settings with their sources. Of an archived transcript, when and why it was archived.',
    examples: [
      ['The main session', 'claw sessions show main'],
      ['Would it be reset tomorrow at five?', 'claw sessions show main --at 2026-11-22T05:00'],
    ],
  });

  name = Option.String({ name: 'key-or-id' });
  verbose = Option.Boolean('--verbose', false, {
    description: 'with the last turns, what waits, what is archived, and bad lines of the whole transcript',
  });
  at = Option.String('--at', { description: 'verdicts as of this time' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const found = findSession(desk, this.name);
    const now = timeOption(this.at, desk);
    if (!found.record) return this.showArchived(desk, found, now);
    const document = await show(desk, found.record, now, this.verbose);
    if (this.json) printJson(document);
    else printOut(describe(document));
    for (const bad of document.badLines)
      this.warn(`${document.transcript}:${bad.line}: ${bad.reason}; the line is left in place`);
    return EXIT.ok;
  }

  private showArchived(desk: Desk, { agentId, sessionId }: FoundSession, now: number): number {
    const archived = describeArchived(desk.layout.transcript(agentId, sessionId), agentId);
    // Found a moment ago: whoever deleted it meanwhile is as good as if it had never been there.
    if (archived === null) return EXIT.data;
    const row = { ...archivedRow(desk, archived, now), archived: true };
    if (this.json) printJson(row);
    else printOut(describeRow(row));
    return EXIT.ok;
  }
}

async function show(desk: Desk, record: SessionRecord, now: number, verbose: boolean) {
  const runner = await runnerOf(desk.config, runnerName(desk.config, record.agentId));
  const { agentId } = record;
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
  const report = verbose && file ? reportTranscript(transcript) : null;
  const waiting = listWaiting(layout, agentId, record.key).waiting.filter(each => !each.incoming.answered);
  const holder = describeHolder(desk.context, layout.lock(agentId, record.key));
  return {
    ...rowOf(desk, record, now),
    createdAt: isoTime(record.createdAt),
    startedAt: isoTime(record.startedAt),
    lastUserAt: record.lastUserAt === undefined ? null : isoTime(record.lastUserAt),
    record: layout.record(agentId, record.key),
    transcript,
    transcriptBytes: file?.size ?? null,
    reset: reportReset(type, policy, desk.zone, verdict),
    settings: settingsReport(desk, record),
    lastRoute: record.lastRoute ?? null,
    /** the session that the agent's program keeps of it */
    native: record.native ?? null,
    /** what the next reply will tell the user */
    notices: tell(config, record).notices,
    busy: holder !== null,
    lock: holder && {
      pid: holder.pid,
      hostname: holder.hostname,
      since: holder.since === null ? null : isoTime(holder.since),
      state: holder.state,
    },
    waiting: waiting.length,
    waitingMessages: verbose
      ? waiting.map(({ incoming }) => ({
          messageId: incoming.messageId,
          text: incoming.message.text,
          since: isoTime(incoming.acceptedAt),
        }))
      : [],
    compactions: record.context?.compactions ?? report?.compactions ?? null,
    memoryFlush: reportFlush(desk, record, { keeps: keepsSession(runner), sends: sendsHistory(runner) }),
    malformedLines: verbose ? (report?.badLines.length ?? 0) : null,
    badLines: report?.badLines ?? [],
    retries: report?.retries ?? null,
    turns: report?.turns ?? [],
    archivedSessionIds: verbose ? archivedIds(desk, record) : null,
  };
}

/** Archived transcripts of the same key, newest first. */
function archivedIds(desk: Desk, { agentId, key }: SessionRecord): string[] {
  return listArchives(desk.layout, agentId, key)
    .archived.sort((a, b) => b.endedAt - a.endedAt)
    .map(({ sessionId }) => sessionId);
}

/** Every setting with where its value comes from; runner and window are the agent's. */
function settingsReport(desk: Desk, record: SessionRecord) {
  const { config } = desk;
  const agent = agentEntry(config, record.agentId);
  const defaults = config.agents?.defaults;
  return {
    ...resolveSettings(config, record.agentId, settingsOf(desk, record)),
    runner: setting(agent?.runner, defaults?.runner, 'recall'),
    contextTokens: contextWindowOf(config, record.agentId),
  };
}

function setting<T>(agent: T | undefined, defaults: T | undefined, fallback: T | null) {
  if (agent !== undefined) return { value: agent, source: 'agent' };
  if (defaults !== undefined) return { value: defaults, source: 'agents.defaults' };
  return { value: fallback, source: 'default' };
}

function describe(session: Awaited<ReturnType<typeof show>>): string {
  const { reset, settings } = session;
  const lines = [
    `session    ${session.key}`,
    `id         ${session.sessionId}${session.previousSessionId ? ` (before: ${session.previousSessionId})` : ''}`,
    `activity   ${age(session.ageMs)} ago, ${session.messageCount} messages, begun ${session.startedAt}`,
    `tokens     ${tokens(session.usedTokens, session.contextTokens)}${session.tokensEstimated ? ' estimated' : ''}`,
    `reset      ${reset.fresh ? 'fresh' : `stale (${reset.reason}); the next message begins a new session`}; policy ${reset.policy.mode}`,
    ...(reset.dailyResetAt
      ? [`           last daily boundary ${reset.dailyResetAt} (${reset.policy.tz})`]
      : []),
    ...(reset.idleExpiresAt ? [`           idle until ${reset.idleExpiresAt}`] : []),
    // What nobody set shows with --verbose, which also lists the archived ids.
    ...Object.entries(settings)
      .filter(([, { source }]) => source !== 'default' || session.archivedSessionIds !== null)
      .map(([name, { value, source }]) => `setting    ${name} ${value ?? '-'} (${source})`),
    `transcript ${session.transcript}${session.transcriptBytes === null ? (session.messageCount > 0 ? ' (gone)' : ' (not begun)') : ` (${session.transcriptBytes} bytes)`}`,
    `replies    ${session.lastRoute ? routeText(session.lastRoute) : 'to whoever writes first'}`,
    `state      ${session.lock ? lockText(session.lock) : 'free'}, ${session.waiting} waiting`,
    ...session.waitingMessages.map(({ since, text }) => `           ${since}  ${short(text)}`),
    ...session.notices.map(notice => `to tell    ${notice}`),
    ...(session.archivedSessionIds ?? []).map(id => `archived   ${id}`),
    ...(session.compactions
      ? [`compacted  ${session.compactions === 1 ? 'once' : `${session.compactions} times`}`]
      : []),
    ...memoryLine(session.memoryFlush),
    ...(session.retries ? [`retries    ${session.retries}`] : []),
    ...session.turns.flatMap(turnLines),
  ];
  return `${lines.join('\n')}\n`;
}

/** Only what says something: that it happened, or is about to. */
function memoryLine({ lastAt, result, due }: FlushReport): string[] {
  if (due) return ['memory     is saved before the next turn, the context is nearly full'];
  return lastAt === null ? [] : [`memory     last saved ${lastAt} (${result})`];
}

function routeText({ channel, chatType, from, fromName, groupId, groupName, threadId, to }: Origin): string {
  const whom = groupId
    ? `${chatType} ${groupName ?? groupId}`
    : `${chatType} ${fromName ?? from ?? ''}`.trimEnd();
  return printable(`to ${channel} ${whom}${threadId ? `, thread ${threadId}` : ''}${to ? ` (${to})` : ''}`);
}

function lockText({
  pid,
  hostname,
  since,
  state,
}: NonNullable<Awaited<ReturnType<typeof show>>['lock']>): string {
  const who = `process ${pid ?? '?'}${hostname ? ` on ${hostname}` : ''}${since ? ` since ${since}` : ''}`;
  return state === 'dead' ? `left locked by ${who}, which died` : `a turn is running: ${who}`;
}

function turnLines(turn: TurnReport): string[] {
  const { status, runner, model, usage, durationMs, error, output, attempt, reply } = turn;
  const facts = [
    status,
    model ? `${runner} ${model}` : runner,
    ...(usage ? [`${usage.totalTokens} tokens`] : []),
    ...(durationMs === null ? [] : [`${durationMs} ms`]),
    ...(attempt > 1 ? [`start ${attempt}`] : []),
  ];
  return [
    `turn       ${turn.at ?? '-'}  ${printable(facts.join(', '))}`,
    `           > ${short(turn.text)}`,
    ...(reply === null ? [] : [`           < ${short(reply)}`]),
    ...(error ? [`           ! ${short(error.message)}`] : []),
    ...(output ? [`           ! it printed: ${short(output)}`] : []),
  ];
}

function short(text: string): string {
  return printable(text.slice(0, 400)).slice(0, 200);
}

function describeRow(row: ArchivedRow): string {
  const lines = [
    `session    ${row.key ?? '(its first line does not say)'}`,
    `id         ${row.sessionId} (archived)`,
    `time       ${row.startedAt ?? '?'} to ${row.endedAt ?? '?'}`,
    `ended by   ${row.reason ?? 'nobody knows; its record was removed'}${row.nextSessionId ? `, then ${row.nextSessionId}` : ''}`,
    `begins     ${row.preview === null ? '-' : printable(row.preview)}`,
    `transcript ${row.path} (${row.bytes} bytes)`,
    `read it    claw sessions history ${row.sessionId}`,
    `resume it  claw sessions resume ${row.sessionId}`,
  ];
  return `${lines.join('\n')}\n`;
}
