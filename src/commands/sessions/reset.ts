import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { readNamedKey } from '../../core/routing/route.ts';
import { splitKey } from '../../core/routing/session-key.ts';
import { modelNamed } from '../../core/session/trigger.ts';
import { resetSession } from '../../runner/rotate.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { waitOption } from '../wait-option.ts';

export class SessionsResetCommand extends ClawCommand {
  static override paths = [['sessions', 'reset']];
  static override usage = Command.Usage({
    description:
      'Begin a session anew: its transcript is archived (claw sessions resume brings it back), its settings stay.',
    examples: [
      ['The main session', 'claw sessions reset main'],
      ['With another model, waiting for the running turn', 'claw sessions reset main --model opus --wait 60'],
    ],
  });

  name = Option.String({ name: 'key' });
  model = Option.String('--model', { description: 'model the new session starts with' });
  wait = Option.String('--wait', { description: 'seconds to wait for a running turn; default 0' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'sessions reset');
    const desk = await openDesk(context);
    const waitMs = waitOption(this.wait, 'claw sessions reset') ?? 0;
    const key = readNamedKey(this.name, desk.config);
    const place = { agentId: splitKey(key)?.agentId ?? '', key };
    const model = this.model === undefined ? undefined : modelNamed(desk.config, this.model);
    const outcome = await resetSession(desk, place, { waitMs, ...(model === undefined ? {} : { model }) });
    if (this.json) printJson(outcome);
    else if (!outcome.changed)
      printOut(
        `${outcome.sessionKey} has not begun; there is nothing to reset. Its id is ${outcome.sessionId}.\n`,
      );
    else
      printOut(
        `${outcome.sessionKey} begins anew as ${outcome.sessionId}\n${
          outcome.archivePath === null
            ? 'its transcript was gone already\n'
            : `archived   ${outcome.archivePath}\nundo       claw sessions resume ${outcome.previousSessionId}\n`
        }`,
      );
    return EXIT.ok;
  }
}
