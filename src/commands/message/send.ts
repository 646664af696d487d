import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { sendId } from '../../core/delivery/delivery.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { accountConfig, defaultAccount } from '../../core/routing/channel.ts';
import { readNamedKey } from '../../core/routing/route.ts';
import { isGroupJid, mainSessionKey } from '../../core/routing/session-key.ts';
import { viewerOf } from '../../core/routing/visibility.ts';
import type { Origin } from '../../core/session/session.ts';
import { deliver, senderOf } from '../../runner/deliver.ts';
import type { Desk } from '../../runner/desk.ts';
import { checkAgentsTarget, putProactive } from '../../runner/push.ts';
import { agentOf, sendToSession } from '../../runner/send.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
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
  chat = Option.String('--chat', { description: 'dm or group; default: group where the channel lists it' });
  thread = Option.String('--thread', { description: 'thread or topic' });
  reply = Option.String('--reply', 'reply', { description: 'into a session: reply, announce or skip' });
  wait = Option.String('--wait', { description: 'into a session: seconds to wait for the answer' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context);
    const target = channelTarget(desk, this.to);
    if (target) return this.straight(desk, target);
    const key = readNamedKey(this.to, desk.config);
    const sending = sendToSession(desk, { agentId: agentOf(key), key }, this.message, {
      ...sendOptions(this.reply, this.wait, 'claw message send'),
      print: done => printSent(done, this.json),
    });
    const result = await sending.catch(error => {
      throw error instanceof ClawError && error.code === 'session-unknown' ? this.neither(error) : error;
    });
    return sentStatus(result, this.json);
  }

  /** What is no session may have been meant for a channel that nothing is configured for. */
  private neither(error: ClawError): ClawError {
    const [, channel] = /^([A-Za-z][\w-]*):[^:]+$/.exec(this.to) ?? [];
    if (channel === undefined) return error;
    const hint = `claw config set channels.${channel}.send '{command: "…"}'`;
    return new ClawError(
      'usage',
      error.code,
      `${error.message}, and no channel ${channel} with a sender`,
      hint,
    );
  }

  private originOf(desk: Desk, channel: string, to: string): Origin {
    const accountId = this.account ?? defaultAccount(desk.config.channels, channel);
    const groups = accountConfig(desk.config.channels, channel, accountId).groups ?? {};
    const isGroup =
      this.chat === undefined ? Object.hasOwn(groups, to) || isGroupJid(to) : this.chat !== 'dm';
    return {
      channel,
      accountId,
      to,
      ...(isGroup ? { chatType: 'group' as const, groupId: to } : { chatType: 'dm' as const, from: to }),
      ...(this.thread === undefined ? {} : { threadId: this.thread }),
    };
  }

  private async straight(desk: Desk, { channel, to }: { channel: string; to: string }): Promise<number> {
    const { context, config } = desk;
    const viewer = viewerOf(context.env);
    const agentId = viewer?.agentId || defaultAgentId(config);
    const sessionKey = viewer?.key || mainSessionKey(agentId, config.session);
    const origin = this.originOf(desk, channel, to);
    if (!senderOf(config, origin)) {
      throw new ClawError(
        'config',
        'no-sender',
        `channel ${channel} has no sender (channels.${channel}.send)`,
        `claw config set channels.${channel}.send '{command: "…"}'`,
      );
    }
    const runId = context.env.CLAW_RUN_ID;
    if (viewer) checkAgentsTarget(desk, viewer, origin);
    const pushed = putProactive(desk, {
      id: runId ? sendId(runId, context.newId()) : context.newId(),
      agentId,
      sessionKey,
      sessionId: (viewer && context.env.CLAW_SESSION_ID) ?? '',
      origin,
      text: this.message,
      ...(runId ? { sentBy: runId } : {}),
    });
    if (pushed.decision === 'denied') {
      throw new ClawError(
        'noPermission',
        'sending-denied',
        `${pushed.rule} holds back what goes to ${channel} ${origin.chatType} chats`,
        'claw config get session.sendPolicy',
      );
    }
    const { id } = pushed.item;
    if (pushed.decision === 'dead') {
      this.tell(id, false, pushed.item.reason);
      this.warn(`not sent: ${pushed.item.reason}; the text is kept (claw delivery retry ${id})`);
      return EXIT.noPermission;
    }
    const { sent, waiting } = await deliver(desk, { only: each => each.id === id });
    this.tell(id, sent.includes(id), waiting[0]?.reason ?? null);
    return EXIT.ok;
  }

  private tell(deliveryId: string, sent: boolean, reason: string | null): void {
    if (this.json) printJson({ deliveryId, sent, reason });
    else printOut(reason === null ? 'sent\n' : `not sent yet: ${reason}\n  try: claw delivery list\n`);
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
