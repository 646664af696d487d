/** One harmless turn of an agent in a folder of its own, and a second one that goes on with it. Touches no session. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { RunnerConfig } from '../config/schema.ts';
import { secretsWithin } from '../config/secrets.ts';
import { type NativePlan, settleNative } from '../core/runner/native.ts';
import type { Usage } from '../core/session/transcript.ts';
import type { TurnError, TurnRequest } from '../core/turn-request.ts';
import { runAgent } from './agent.ts';
import type { Desk } from './desk.ts';
import { keepsSession } from './resolve.ts';

export interface Trial {
  status: 'replied' | 'silent' | 'failed';
  text: string | null;
  /** the program's own id of the conversation */
  sessionId: string | null;
  usage: Usage | null;
  durationMs: number;
  error: TurnError | null;
  warnings: string[];
}

/** What is asked; nothing in it needs a tool. */
const QUESTION = 'This is a test of the connection. Do not use any tool. Answer with the one word: pong';
const SECOND = 'This is a test, too. Do not use any tool. Answer with the one word: again';

/**
 * @param agentEnv environment of the agent, with that of its runner
 * @returns resumed: null where the program keeps no sessions, or the first turn failed
 */
export async function tryOut(
  desk: Desk,
  runnerName: string,
  runner: RunnerConfig,
  about: { model?: string | undefined; agentEnv: Record<string, string>; timeoutSeconds: number },
): Promise<{ first: Trial; resumed: Trial | null }> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-try-'));
  const { context } = desk;
  const workspace = path.join(folder, 'workspace');
  const leaseFolder = path.join(folder, 'lease');
  const isNative = keepsSession(runner);
  const limited = { ...runner, timeoutSeconds: Math.min(runner.timeoutSeconds ?? 600, about.timeoutSeconds) };
  try {
    fs.mkdirSync(workspace, { mode: 0o700 });
    fs.mkdirSync(leaseFolder, { mode: 0o700 });
    const first = await turn(QUESTION, isNative ? { how: 'new', id: context.newId() } : undefined);
    const { id } = first.use ?? {};
    if (first.trial.status !== 'replied' || !isNative) return { first: first.trial, resumed: null };
    if (id === undefined) {
      const message = 'it did not say under which id it keeps the conversation';
      return { first: first.trial, resumed: missing(message, runnerName) };
    }
    const { runner: name, workspace: place, counted } = first.use!;
    const known = { id, runner: name, workspace: place, ...(counted ? { counted } : {}) };
    return { first: first.trial, resumed: (await turn(SECOND, { how: 'resumed', id, known })).trial };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }

  async function turn(body: string, native: NativePlan | undefined) {
    const { model, agentEnv } = about;
    const request: TurnRequest = {
      runId: context.newId(),
      agentId: 'main',
      sessionKey: 'agent:main:test',
      sessionId: context.newId(),
      body,
      history: [],
      origin: { channel: 'cli', accountId: 'default', chatType: 'dm' },
      attachments: [],
      isNewSession: native?.how !== 'resumed',
      runnerName,
      runner: limited,
      env: agentEnv,
      workspace,
      transcript: path.join(folder, 'none.jsonl'),
      leaseFolder,
      ...(native ? { native } : {}),
      ...(model ? { model } : {}),
    };
    const options = { baseEnv: context.env, origin: 'system' as const, now: context.now };
    const outcome = await runAgent(request, {
      ...options,
      home: context.home,
      configFile: context.configFile,
      secrets: secretsWithin(desk.config, context.env),
    });
    const settled =
      native &&
      settleNative(
        native,
        { runnerName, runner, workspace, model },
        {
          ended: outcome.status === 'failed' ? 'failed' : 'well',
          reported: outcome.nativeId,
          usage: outcome.usage,
        },
      );
    const usage = settled ? settled.usage : outcome.usage;
    const trial: Trial = {
      status: outcome.status,
      text: outcome.status === 'replied' ? outcome.text : null,
      sessionId: outcome.nativeId ?? settled?.use.id ?? null,
      usage,
      durationMs: Math.round(outcome.durationMs),
      error: outcome.status === 'failed' ? outcome.error : null,
      warnings: outcome.warnings,
    };
    return { trial, use: settled?.use };
  }
}

function missing(message: string, runnerName: string): Trial {
  const error: TurnError = {
    code: 'unknown-session',
    message,
    hint: `set runners.${runnerName}.pick.sessionId`,
  };
  return { status: 'failed', text: null, sessionId: null, usage: null, durationMs: 0, error, warnings: [] };
}
