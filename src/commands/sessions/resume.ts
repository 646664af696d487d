import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import type { Desk } from '../../runner/desk.ts';
import { resumeSession } from '../../runner/rotate.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { type FoundSession, findSession } from './find.ts';
import { numberOption } from './list.ts';

export class SessionsResumeCommand extends ClawCommand {
  static override paths = [['sessions', 'resume']];
  static override usage = Command.Usage({
    description:
      'Put an archived transcript back under its session key; the one that is current there is archived for it.',
    examples: [
      ['What there is', 'claw sessions list --archived'],
      ['Undo a reset', 'claw sessions resume 4f0c2a52-8c1d-4f6b-9a55-0e4f8a1c7d21'],
    ],
  });

  id = Option.String({ name: 'session-id' });
  wait = Option.String('--wait', { description: 'seconds to wait for a running turn; default 0' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'sessions resume');
    const desk = await openDesk(context);
    const waitMs = 1000 * (numberOption('--wait', this.wait, 'sessions resume') ?? 0);
    const { agentId, key, sessionId } = findArchived(desk, this.id);
    if (key === null) {
      throw new ClawError(
        'data',
        'transcript-foreign',
        `${desk.layout.transcript(agentId, sessionId)}: its first line does not say which session it belongs to`,
        'claw sessions list --archived',
      );
    }
    const outcome = await resumeSession(desk, { agentId, key }, sessionId, { waitMs });
    if (this.json) printJson(outcome);
    else if (!outcome.changed) printOut(`${sessionId} is the current session of ${key} already.\n`);
    else
      printOut(
        `${key} goes on with ${sessionId} (${outcome.messageCount} messages)\n${
          outcome.archivePath === null
            ? ''
            : `archived   ${outcome.archivePath}\nundo       claw sessions resume ${outcome.previousSessionId}\n`
        }`,
      );
    return EXIT.ok;
  }
}

/** What can be resumed is in another list than the one that an unknown session leads to. */
function findArchived(desk: Desk, id: string): FoundSession {
  try {
    return findSession(desk, id);
  } catch (error) {
    if (!(error instanceof ClawError) || error.code !== 'session-unknown') throw error;
    const message = `there is no transcript or session ${JSON.stringify(id)}`;
    throw new ClawError(error.exit, error.code, message, 'claw sessions list --archived', { cause: error });
  }
}
