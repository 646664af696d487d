/** What the parts of a turn pass to each other: the desk one works at, the session one holds, how it stands. */
import type { ConfigInput } from '../config/schema.ts';
import type { Context } from '../context.ts';
import type { Zone } from '../core/schedule/zone.ts';
import type { SessionRecord } from '../core/session/session.ts';
import type { Entry, TurnEntry, UserEntry } from '../core/session/transcript.ts';
import type { TranscriptState } from '../core/turn.ts';
import type { Layout } from '../store/layout.ts';
import type { Lock } from '../store/lock.ts';

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
}
