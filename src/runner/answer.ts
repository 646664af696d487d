/** Answers commands: gathers what an answer tells of the session, and asks `core/session/command.ts` for the words. */
import fs from 'node:fs';
import type { RunnerConfig } from '../config/schema.ts';
import { agentEntry, runnerName } from '../core/agent.ts';
import { contextWindow, estimateTokens, messageTokens } from '../core/context/history.ts';
import { type CommandAnswer, type Incoming, originOf } from '../core/incoming.ts';
import type { ContextPart, Situation } from '../core/session/command.ts';
import { disabledDirectives, type ParsedText } from '../core/session/directive.ts';
import { reportReset, resetType, resolveResetPolicy } from '../core/session/reset.ts';
import type { SessionRecord } from '../core/session/session.ts';
import { resolveSettings } from '../core/session/settings.ts';
import { isTurnEndEntry, isTurnEntry, type TurnEntry } from '../core/session/transcript.ts';
import { knownModels } from '../core/session/trigger.ts';
import { judgeFreshness } from '../core/turn.ts';
import type { HistoryMessage } from '../core/turn-request.ts';
import { listWaiting } from '../store/pending.ts';
import { listSystemEvents } from '../store/system-events.ts';
import { newestFirst } from '../store/transcripts.ts';
import { assembleHistory } from './assemble.ts';
import type { Desk } from './desk.ts';
import { sendVerdict, settingsOf } from './judge.ts';
import { keepsSession, runnerOf, sendsHistory } from './resolve.ts';
import { runningTurn } from './stop.ts';

declare const CLAW_VERSION: string;

/** The answer to a message of nothing but directives, and what it changes. Reads only. */
export async function answerCommand(
  desk: Desk,
  incoming: Incoming,
  facts: {
    record: SessionRecord | null;
    parsed: ParsedText;
    stopped: Situation['stopped'];
    /** what a compaction that it asked for came to */
    compacted?: string | null;
  },
): Promise<CommandAnswer> {
  const { answerTo, needsSituation } = await import('../core/session/command.ts');
  const costly = needsSituation(facts.parsed);
  const runner = costly.includes('context')
    ? await runnerOf(desk.config, runnerName(desk.config, incoming.agentId))
    : undefined;
  const situation = situationOf(desk, incoming, facts.record, costly, runner);
  return answerTo(facts.parsed, {
    ...situation,
    stopped: facts.stopped,
    compacted: facts.compacted ?? null,
  });
}

/** How it stands with a session, as its own chat commands tell it. */
function situationOf(
  desk: Desk,
  incoming: Incoming,
  record: SessionRecord | null,
  costly: readonly string[],
  program: RunnerConfig | undefined,
): Situation {
  const { config, context, layout, zone } = desk;
  const { agentId, key, message, owner } = incoming;
  const own = settingsOf(desk, record);
  const runner = runnerName(config, agentId);
  return {
    version: CLAW_VERSION,
    now: context.now(),
    zone,
    key,
    sessionId: record?.sessionId ?? null,
    agentId,
    runner,
    settings: resolveSettings(config, agentId, own),
    fallback: resolveSettings(config, agentId, {}),
    tokens: record?.tokens ?? null,
    window: contextWindow(config, agentId),
    messageCount: record?.messageCount ?? 0,
    compactions: record?.context?.compactions ?? 0,
    reset: record ? resetOf(desk, record, incoming) : null,
    runningSince: runningTurn(desk, agentId, key)?.turn.timestamp ?? null,
    waiting: listWaiting(layout, agentId, key).waiting.filter(({ incoming: each }) => !each.answered).length,
    channel: message.channel,
    from: message.from ?? null,
    fromName: message.fromName ?? null,
    owner,
    chatType: message.chatType,
    surface: message.surface ?? null,
    send: sendVerdict(desk, key, originOf(message), own),
    models: knownModels(config),
    disabled: disabledDirectives(config),
    context: costly.includes('context') ? contextOf(desk, incoming, record, program) : null,
    turns: costly.includes('turns') ? turnsOf(desk, record) : null,
    stopped: null,
    compacted: null,
  };
}

function resetOf(desk: Desk, record: SessionRecord, { message }: Incoming): Situation['reset'] {
  const type = resetType({ sessionKey: record.key, chatType: record.chatType, threadId: message.threadId });
  const policy = resolveResetPolicy({ session: desk.config.session, type, channel: message.channel });
  const verdict = judgeFreshness(desk.config, record, message, desk.context.now(), desk.zone);
  return reportReset(type, policy, desk.zone, verdict);
}

/** What a turn would send now, by part. Tokens are estimates. */
function contextOf(
  desk: Desk,
  incoming: Incoming,
  record: SessionRecord | null,
  runner: RunnerConfig | undefined,
): ContextPart[] {
  const { layout } = desk;
  const { agentId, key, message } = incoming;
  const chat = { ...originOf(message), agentId, sessionKey: key };
  const kept = keepsSession(runner) && record?.native?.givenUp === undefined ? record?.native : undefined;
  const isTold = record !== null && (sendsHistory(runner) || keepsSession(runner));
  const knownTo = kept ? { knownTo: kept.id } : {};
  const sent = isTold ? assembleHistory(desk, record, chat, { incoming: 0, isQuiet: true, ...knownTo }) : [];
  const { systemPrompt = desk.config.agents?.defaults?.systemPrompt } =
    agentEntry(desk.config, agentId) ?? {};
  // What was compacted stands before all else.
  const isSummary = (each: HistoryMessage) => each === sent[0] && each.isSummary === true;
  const part = (
    name: string,
    items: { label: string; text: string }[],
    size: (text: string) => number = messageTokens,
  ): ContextPart => {
    const sized = items.map(({ label, text }) => ({ label, tokens: size(text) }));
    return { name, tokens: sized.reduce((sum, item) => sum + item.tokens, 0), items: sized };
  };
  const { events } = listSystemEvents(layout, agentId, key);
  const reported = record?.context?.reported?.tokens ?? 0;
  return [
    // It is in what the program keeps.
    ...(systemPrompt && !kept
      ? [part('system prompt', [{ label: 'systemPrompt', text: systemPrompt }], estimateTokens)]
      : []),
    ...(kept
      ? [
          {
            name: `kept by ${kept.runner} in its session`,
            tokens: reported,
            reported: true as const,
            items: [{ label: kept.id, tokens: reported }],
          },
        ]
      : []),
    ...(sent.some(isSummary)
      ? [part('summary', [{ label: 'earlier conversation', text: sent[0]!.content }])]
      : []),
    part(
      'history',
      sent
        .filter(each => !isSummary(each))
        .map(({ role, content }) => ({ label: `${role}: ${content.slice(0, 40)}`, text: content })),
    ),
    {
      ...given(lastNotes(record ? layout.transcript(agentId, record.sessionId) : '')),
      name: 'memory',
    },
    part(
      'system events',
      events.map(({ text }) => ({ label: text.slice(0, 40), text })),
      estimateTokens,
    ),
  ];
}

/** Notes that went along with the last turn. They are chosen by the message, so of the next one nothing can be said. */
function lastNotes(file: string): NonNullable<TurnEntry['notes']> {
  if (!fs.existsSync(file)) return [];
  for (const entry of newestFirst(file, () => {})) if (isTurnEntry(entry)) return entry.notes ?? [];
  return [];
}

function given(notes: NonNullable<TurnEntry['notes']>): Omit<ContextPart, 'name'> {
  const items = notes.map(({ file, line, characters }) => ({
    label: `${file}:${line}`,
    tokens: Math.ceil(characters / 4),
  }));
  return { tokens: items.reduce((sum, { tokens }) => sum + tokens, 0), items };
}

/** Turns of this session that ended, newest first until all are counted. */
function turnsOf(desk: Desk, record: SessionRecord | null): Situation['turns'] {
  const file = record ? desk.layout.transcript(record.agentId, record.sessionId) : '';
  if (!fs.existsSync(file)) return { count: 0, last: null };
  const ends = [...newestFirst(file, () => {})].filter(isTurnEndEntry);
  return { count: ends.length, last: ends.find(end => end.usage)?.usage ?? null };
}
