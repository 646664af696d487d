/** What the parts of a turn pass to each other: the desk one works at, the session one holds, how it stands. */
import type { ConfigInput } from '../config/schema.ts';
import type { Context } from '../context.ts';
import type { Zone } from '../core/schedule/zone.ts';
import type { SessionRecord } from '../core/session/session.ts';
import type {
  Entry,
  MessageOutcome,
  TurnEndEntry,
  TurnEntry,
  UserEntry,
} from '../core/session/transcript.ts';
import type { TranscriptState } from '../core/turn.ts';
import type { MemoryNote } from '../core/turn-request.ts';
import type { Layout } from '../store/layout.ts';
import type { Lock } from '../store/lock.ts';
import type { IdHit } from '../store/message-ids.ts';

/** What a turn needs of its surroundings. */
export interface Desk {
  context: Context;
  layout: Layout;
  config: ConfigInput;
  zone: Zone;
  /** how long message ids are remembered, ms */
  idRetention: number;
  /** a line for stderr */
  warn(text: string): void;
}

/** A session that this process holds. */
export interface Seat {
  agentId: string;
  key: string;
  lock: Lock;
}

/** A session as it stands between two steps. */
export interface State {
  record: SessionRecord | null;
  transcript: TranscriptState;
  /** lines behind the record's `bytes`, with offsets */
  tail: { offset: number; end: number; entry: Entry }[];
}

/** A turn whose agent is to be started: its messages, oldest first. */
export interface OpenTurn {
  turn: TurnEntry;
  users: UserEntry[];
  /** notes its agent is given; the turn says where they stand */
  notes?: MemoryNote[];
}

/** What the caller of `workSession` wants to know while it works. */
export interface Hooks {
  /**
   * A directly given message is answered (or recorded). False when the reply could not be handed over: it then goes
   * to the outbox. Called before the record is saved, so that a crash in between shows the reply again, never not.
   */
  onAnswered?(outcome: MessageOutcome, sessionId: string): Promise<boolean>;
  /** The direct message is durable: from here on nothing may invite the caller to send it again. */
  onAccepted?(sessionId: string): void;
  /** The direct message was accepted before; here is its first acceptance. */
  onDuplicate?(hit: IdHit): void;
  /** The direct message has to wait behind others and was queued under this stem. */
  onQueued?(stem: string): void;
  /** The agent of the direct message is about to be started. */
  onStart?(turn: TurnEntry): void;
  onDelta?: ((text: string) => void) | undefined;
  /** A turn has ended, whoever asked for it. */
  onEnd?(end: TurnEndEntry): void;
  /** True when the caller has to leave at once, to hand over what it holds without the session. */
  leaves?(): boolean;
  /** True when the caller has what it came for; then messages whose own process is alive are left to that process. */
  enough(): boolean;
  /** The direct message may ask to end what runs: a turn that a dead owner left is then ended, not started again. */
  endsOpenTurn?(users: UserEntry[]): boolean;
  /** whether that happened */
  hasEndedTurn?(): boolean;
  /** Aborted by SIGTERM and the like; `stopped` tells a person's Ctrl-C from the rest. */
  signal?: AbortSignal;
  stopped?(): boolean;
}

/** Thrown out of a run that was told to end; the turn stays open and the next holder starts it once more. */
export class TurnInterrupted extends Error {}
