/** Which sessions the caller of a command may look into; the one place where commands that show what was said ask. */
import { isSubagent } from '../../core/routing/session-key.ts';
import { maySee, scopeOf, viewerOf } from '../../core/routing/visibility.ts';
import type { Desk } from '../../runner/desk.ts';
import { loadRecord } from '../../store/sessions.ts';

/** Whether a session may be seen; the key is empty where a transcript names none. */
export type MaySee = (agentId: string, sessionKey: string) => boolean;

/** A person at his own terminal sees everything, an agent what `core/routing/visibility.ts` says. */
export function visibleTo(desk: Desk): MaySee {
  const viewer = viewerOf(desk.context.env);
  if (viewer === null) return () => true;
  return (agentId, key) => {
    const read = isSubagent(key) ? loadRecord(desk.layout, agentId, key) : null;
    const spawnedBy = read?.state === 'ok' ? read.record.spawnedBy : undefined;
    return maySee(viewer, { agentId, key, spawnedBy }, desk.config);
  };
}

/** The field of a listing's document that says what was looked at; none for a person at his own terminal. */
export function scopeField(desk: Desk): { scope?: string } {
  const scope = scopeOf(viewerOf(desk.context.env), desk.config);
  return scope === null ? {} : { scope };
}

/** The same as the last line of a listing for people. */
export function scopeLine(desk: Desk): string {
  const { scope } = scopeField(desk);
  return scope === undefined ? '' : `(shown: ${scope})\n`;
}
