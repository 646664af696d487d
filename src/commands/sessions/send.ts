import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import type { IngestResult } from '../../core/result.ts';
import { readNamedKey } from '../../core/routing/route.ts';
import { agentOf, type ReplyPolicy, type SendOptions, sendToSession } from '../../runner/send.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printError, printJson, printOut } from '../output.ts';
import { waitOption } from '../wait-option.ts';

export class SessionsSendCommand extends ClawCommand {
  static override paths = [['sessions', 'send']];
  static override usage = Command.Usage({
    description: 'Write a message into a session. Its text is for the agent, never a command.',
    examples: [
      ['Ask and wait for the answer', 'claw sessions send agent:work:main "Is the report done?"'],
      ['Let the agent know, without waiting', 'claw sessions send main "The build is green." --reply skip'],
    ],
  });

  key = Option.String({ name: 'key' });
  message = Option.String({ name: 'message' });
  reply = Option.String('--reply', 'reply', {
    description:
      'reply: print the answer (default); announce: tell the calling session of it; skip: nobody is told',
  });
  wait = Option.String('--wait', { description: 'seconds to wait for the answer; 0: do not wait' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context);
    const key = readNamedKey(this.key, desk.config);
    const result = await sendToSession(desk, { agentId: agentOf(key), key }, this.message, {
      ...sendOptions(this.reply, this.wait, 'claw sessions send'),
      print: done => printSent(done, this.json),
    });
    return sentStatus(result, this.json);
  }
}

/** The options that `send`, `spawn` and `message send` share. @throws ClawError usage */
export function sendOptions(
  policy: string,
  wait: string | undefined,
  command: string,
): Pick<SendOptions, 'policy' | 'waitMs' | 'signal' | 'stopped'> {
  if (!['skip', 'announce', 'reply'].includes(policy)) {
    throw new ClawError(
      'usage',
      'usage',
      `--reply ${policy}: expected skip, announce or reply`,
      `${command} --help`,
    );
  }
  const waitMs = waitOption(wait, command);
  const control = new AbortController();
  let interrupted = false;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      interrupted ||= name === 'SIGINT';
      control.abort();
    });
  }
  return {
    policy: policy as ReplyPolicy,
    waitMs,
    signal: control.signal,
    stopped: () => interrupted,
  };
}

/** Prints a result: the document, or the answer alone. */
export function printSent(result: IngestResult, json: boolean): boolean {
  if (json) return printJson(result);
  if (result.reply && result.delivery?.decision !== 'deny') return printOut(`${result.reply.text}\n`);
  if (result.status === 'queued')
    return printOut(`(Queued for ${result.sessionKey}: ${result.reason ?? 'it is busy'}.)\n`);
  return true;
}

/** The exit status of a result; a failure is told on stderr too. */
export function sentStatus(result: IngestResult, json: boolean): number {
  if (result.status !== 'failed') return EXIT.ok;
  const { error } = result;
  if (json) printError(`${JSON.stringify({ error })}\n`);
  else printError(`claw: ${error?.message}\n  try: ${error?.hint ?? 'claw inbox list'}\n`);
  return EXIT.unavailable;
}
