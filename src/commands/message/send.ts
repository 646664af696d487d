import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import type { OutboxItem } from '../../core/delivery/delivery.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { readNamedKey } from '../../core/routing/route.ts';
import { mainSessionKey } from '../../core/routing/session-key.ts';
import { deliver, senderOf } from '../../runner/deliver.ts';
import type { Desk } from '../../runner/desk.ts';
import { agentOf, sendToSession } from '../../runner/send.ts';
import { putOutbox } from '../../store/outbox.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { printSent, sendOptions, sentStatus } from '../sessions/send.ts';

export class MessageSendCommand extends ClawCommand {
  static override paths = [['message', 'send']];
  static override usage = Command.Usage({
    description:
      'Send a message: into a session (as sessions send), or straight out through the sender of a channel.',
    examples: [
      ['Into a session', 'claw message send --to agent:work:main --message "Update"'],
      ['To a person', 'claw message send --to telegram:111 --message "The backup is done."'],
    ],
  });

  to = Option.String('--to', { required: true, description: 'session key, or channel:target' });
  message = Option.String('--message', { required: true, description: 'the text' });
  account = Option.String('--account', { description: 'account of the channel' });
  reply = Option.String('--reply', 'reply', { description: 'into a session: reply, announce or skip' });
  wait = Option.String('--wait', { description: 'into a session: seconds to wait for the answer' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context);
    const target = channelTarget(desk, this.to);
    if (target) {
      requireOperator(context, 'message send');
      return this.straight(desk, target);
    }
    const key = this.sessionKey(context, desk);
    const result = await sendToSession(desk, { agentId: agentOf(key), key }, this.message, {
      ...sendOptions(this.reply, this.wait, 'claw message send'),
      print: done => printSent(done, this.json),
    });
    return sentStatus(result, this.json);
  }

  /** What is no session key could only be somebody outside, whom no agent may write to. */
  private sessionKey(context: Context, desk: Desk): string {
    try {
      return readNamedKey(this.to, desk.config);
    } catch (error) {
      requireOperator(context, 'message send');
      throw error;
    }
  }

  private async straight(desk: Desk, { channel, to }: { channel: string; to: string }): Promise<number> {
    const { context, config, layout } = desk;
    const agentId = defaultAgentId(config);
    const item: OutboxItem = {
      id: context.newId(),
      agentId,
      sessionKey: mainSessionKey(agentId, config.session),
      sessionId: '',
      messageId: '',
      origin: { channel, accountId: this.account ?? 'default', chatType: 'dm', from: to, to },
      text: this.message,
      state: 'waiting',
      reason: 'not sent yet',
      callerGone: false,
      createdAt: context.now(),
      attempts: [],
    };
    if (!senderOf(config, item.origin)) {
      throw new ClawError(
        'config',
        'no-sender',
        `channel ${channel} has no sender (channels.${channel}.send)`,
        `claw config set channels.${channel}.send '{command: "…"}'`,
      );
    }
    putOutbox(context, layout, item);
    const { sent, waiting } = await deliver(desk, each => each.id === item.id);
    const left = waiting[0]?.reason ?? null;
    if (this.json) printJson({ deliveryId: item.id, sent: sent.includes(item.id), reason: left });
    else printOut(left === null ? 'sent\n' : `not sent yet: ${left}\n  try: claw delivery list\n`);
    return EXIT.ok;
  }
}

/** `telegram:111` for a channel of the config or one that is no part of a session key; null for a session key. */
function channelTarget(desk: Desk, to: string): { channel: string; to: string } | null {
  const [, channel = '', target = ''] = /^([A-Za-z][\w-]*):([^:]+.*)$/.exec(to) ?? [];
  const known = Object.keys(desk.config.channels ?? {}).some(
    id => id.toLowerCase() === channel.toLowerCase(),
  );
  if (!known || /^(dm|direct|group|channel|thread|topic):/.test(target)) return null;
  return { channel: channel.toLowerCase(), to: target };
}
