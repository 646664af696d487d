/** Which sessions the caller of a command may look into; the one place where commands that show what was said ask. */
import type { Desk } from '../../runner/desk.ts';

/** Whether a session may be seen; the key is empty where a transcript names none. */
export type MaySee = (agentId: string, sessionKey: string) => boolean;

/** A person at his own terminal sees everything. */
export function visibleTo(_desk: Desk): MaySee {
  return () => true;
}
