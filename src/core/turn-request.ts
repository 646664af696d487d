/** What a runner is asked, and the one shape of every way it can end. */
import type { RunnerConfig } from '../config/schema.ts';
import type { Attachment } from './routing/message.ts';
import type { NativePlan } from './runner/native.ts';
import type { Compacted } from './runner/output.ts';
import type { Origin } from './session/session.ts';
import type { SettingValues } from './session/settings.ts';
import type { Usage } from './session/transcript.ts';

export interface HistoryMessage {
  role: 'user' | 'assistant';
  content: string;
  /** epoch ms */
  timestamp: number;
  /** claw's word for what was said before, where it was compacted */
  isSummary?: true;
}

/** A note of the agent's memory, given along with a message. */
export interface MemoryNote {
  /** `MEMORY.md`, or `memory/<name>` */
  file: string;
  /** its first line, from 1 */
  line: number;
  /** `YYYY-MM-DD`, where the file is named by one */
  day?: string;
  /** on one line, already cut */
  text: string;
}

/** One start of an agent, with everything it may see. */
export interface TurnRequest {
  runId: string;
  agentId: string;
  sessionKey: string;
  sessionId: string;
  /** the text of this turn (already without triggers and directives) */
  body: string;
  /** the text is a command of the program, which must take it for one */
  isCommand?: true;
  /** earlier messages of the session that the agent is to be told, oldest first, already limited */
  history: HistoryMessage[];
  /** notes that fit the message, the best first */
  notes?: MemoryNote[];
  /** how the agent's own session is used; absent where its program keeps none */
  native?: NativePlan;
  /** what the agent is told about itself */
  systemPrompt?: string;
  origin: Origin;
  attachments: Attachment[];
  isNewSession: boolean;
  model?: string;
  thinkingLevel?: string;
  /** every setting that somebody set, as it holds for this turn */
  settings?: SettingValues;
  runnerName: string;
  /** absent for the built-in recall */
  runner?: RunnerConfig;
  /** agent-level environment from the config */
  env: Record<string, string>;
  /** absolute paths */
  workspace: string;
  transcript: string;
  /** the lock's token folder: the agent registers itself in it before it starts, and is stopped when it vanishes */
  leaseFolder: string;
  /** abort (SIGTERM to claw, /stop): the whole process group ends */
  signal?: AbortSignal;
  /** the run is a heartbeat: HEARTBEAT_OK with no more text beside it than that says that nothing needs attention */
  heartbeat?: { ackMaxChars: number };
  /** called with each piece of reply text as the agent prints it */
  onDelta?: (text: string) => void;
}

export interface TurnError {
  code:
    | 'spawn'
    | 'exit'
    | 'signal'
    | 'timeout'
    | 'idle-timeout'
    | 'empty'
    | 'output'
    | 'too-much-output'
    | 'prompt-too-long'
    | 'aborted'
    | 'lease-lost'
    | 'agent-error'
    | 'auth'
    | 'unknown-session'
    | 'context-overflow';
  message: string;
  hint?: string;
}

/** What every end of a run has in common. */
interface Ended {
  /** as the agent counted, which may be over its whole session; `settleNative` tells this run's share */
  usage: Usage | null;
  durationMs: number;
  warnings: string[];
  /** the agent's own id of the conversation, where it told one */
  nativeId?: string;
  /** it compacted its own session on the way */
  compacted?: Compacted;
  /** tools it called and what it thought, in order, for the record */
  steps?: AgentStep[];
}

/** Something an agent did on its way to the reply. */
export interface AgentStep {
  type: 'tool_call' | 'thinking';
  text: string;
}

/** How a run ended. A `failed` run may still carry what was printed, for the record; it is never a reply. */
export type TurnOutcome =
  | (Ended & { status: 'replied'; text: string })
  /** acknowledged: a heartbeat said HEARTBEAT_OK */
  | (Ended & { status: 'silent'; acknowledged?: true })
  | (Ended & { status: 'failed'; error: TurnError; output: string });
