import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { readNamedKey } from '../../core/routing/route.ts';
import { splitKey } from '../../core/routing/session-key.ts';
import { type DeleteOutcome, deleteArchived, deleteSession } from '../../runner/delete.ts';
import type { Desk } from '../../runner/desk.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { type FoundSession, findSession } from './find.ts';
import { numberOption } from './list.ts';

export class SessionsDeleteCommand extends ClawCommand {
  static override paths = [['sessions', 'delete']];
  static override usage = Command.Usage({
    description:
      'Delete a session with its transcript, or by its id one archived transcript. Message ids stay known: what comes again is still a repetition.',
    examples: [
      [
        'A session and everything archived under its key',
        'claw sessions delete telegram:group:-100 --archived',
      ],
      ['One archived transcript', 'claw sessions delete 4f0c2a52-8c1d-4f6b-9a55-0e4f8a1c7d21'],
    ],
  });

  name = Option.String({ name: 'key-or-id' });
  archived = Option.Boolean('--archived', false, {
    description: 'the archived transcripts of the same key too',
  });
  wait = Option.String('--wait', { description: 'seconds to wait for a running turn; default 0' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'sessions delete');
    const desk = await openDesk(context);
    const waitMs = 1000 * (numberOption('--wait', this.wait, 'sessions delete') ?? 0);
    const outcome = await this.delete(desk, waitMs);
    if (this.json) printJson(outcome);
    else printOut(outcome.deleted.map(({ file, bytes }) => `deleted  ${file}  ${bytes} bytes\n`).join(''));
    if (outcome.waiting > 0)
      this.warn(
        `${outcome.waiting} waiting messages of ${outcome.sessionKey} are kept; they begin a new session (claw inbox list)`,
      );
    return EXIT.ok;
  }

  private delete(desk: Desk, waitMs: number): Promise<DeleteOutcome> {
    const found = this.find(desk);
    const place = found.key === null ? null : { agentId: found.agentId, key: found.key };
    const isArchivedOnly = found.record === null && found.sessionId !== '';
    if (isArchivedOnly) return deleteArchived(desk, found.agentId, place, found.sessionId, waitMs);
    const byId = this.name === found.sessionId ? { sessionId: found.sessionId } : {};
    return deleteSession(desk, place!, { archived: this.archived, waitMs, ...byId });
  }

  /** With `--archived` a key may have nothing but archived transcripts left; it then has no session to be found. */
  private find(desk: Desk): FoundSession {
    try {
      return findSession(desk, this.name, undefined, { exact: true });
    } catch (error) {
      if (!this.archived || !(error instanceof ClawError) || error.code !== 'session-unknown') throw error;
      const key = readNamedKey(this.name, desk.config);
      return { agentId: splitKey(key)?.agentId ?? '', sessionId: '', key, record: null };
    }
  }
}
