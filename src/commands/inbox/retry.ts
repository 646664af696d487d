import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import type { IngestResult } from '../../core/result.ts';
import { findFailures, retryFailure } from '../../runner/retry.ts';
import { settleOutbox } from '../../store/outbox.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printJson } from '../output.ts';
import { printSent, sendOptions, sentStatus } from '../sessions/send.ts';

export class InboxRetryCommand extends ClawCommand {
  static override paths = [['inbox', 'retry']];
  static override usage = Command.Usage({
    description: 'Try messages again whose agent failed, or that were one too many, and print the replies.',
    examples: [
      ['One message', 'claw inbox retry 42'],
      ['Everything that failed', 'claw inbox retry all'],
    ],
  });

  id = Option.String({ name: 'message-id' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'inbox retry');
    const desk = await openDesk(context);
    const found = findFailures(desk, this.id);
    if (found.length === 0 && this.id !== 'all') throw notInInbox(this.id);
    const { signal, stopped } = sendOptions('reply', undefined, 'claw inbox retry');
    const results: IngestResult[] = [];
    const held: string[] = [];
    let status: number = EXIT.ok;
    for (const each of found) {
      const result = await retryFailure(desk, each, {
        ...(signal ? { signal } : {}),
        ...(stopped ? { stopped } : {}),
        print: (done, unread) => {
          if (!this.json) return printSent(done, false);
          // One document at the end: until then the reply stands in the outbox.
          const id = unread();
          if (id !== null) held.push(id);
          return true;
        },
      });
      if (result === null && this.id !== 'all') throw notInInbox(this.id);
      if (result === null) continue;
      results.push(result);
      status = Math.max(status, sentStatus(result, this.json));
      if (signal?.aborted) break;
    }
    if (this.json && printJson({ count: results.length, results }))
      for (const id of held) settleOutbox(desk.layout, id);
    return status;
  }
}

/** @returns the error for an id that stands in no inbox */
export function notInInbox(id: string): ClawError {
  return new ClawError(
    'usage',
    'message-unknown',
    `there is no failed or waiting message ${JSON.stringify(id)}`,
    'claw inbox list',
  );
}
