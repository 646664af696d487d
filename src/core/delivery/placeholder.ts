/** The placeholders of a sender command's `args`. The text is none of them: it comes on stdin. */
import { fillTemplate } from '../runner/template.ts';
import { type OutboxItem, recipientOf } from './delivery.ts';

const VALUES = {
  To: recipientOf,
  From: item => item.origin.from ?? '',
  Channel: item => item.origin.channel,
  AccountId: item => item.origin.accountId,
  ChatType: item => item.origin.chatType,
  GroupId: item => item.origin.groupId ?? '',
  ThreadId: item => item.origin.threadId ?? '',
  ReplyTo: item => item.messageId,
  DeliveryId: item => item.id,
  RunId: item => item.id,
  AgentId: item => item.agentId,
  SessionKey: item => item.sessionKey,
} satisfies Record<string, (item: OutboxItem) => string>;

export const SENDER_PLACEHOLDERS: readonly string[] = Object.keys(VALUES);

/** Names in `{{…}}` of an argument that mean nothing to a sender. */
export function unknownPlaceholders(arg: string): string[] {
  return [...arg.matchAll(/\{\{\s*(\w+)\s*\}\}/g)]
    .map(match => match[1]!)
    .filter(name => !Object.hasOwn(VALUES, name));
}

/**
 * Fills the arguments. A value from outside that would stand at the beginning of an argument and look like an option
 * (`--help`; a negative number is an id) is refused: no program can tell it from one.
 */
export function fillArguments(
  args: readonly string[],
  item: OutboxItem,
): { args: string[] } | { problem: string } {
  const values = Object.fromEntries(Object.entries(VALUES).map(([name, read]) => [name, read(item)]));
  const filled = args.map(arg => fillTemplate(arg, values));
  const bad = filled.findIndex((arg, index) => /^-[^\d]/.test(arg) && args[index]!.startsWith('{{'));
  if (bad === -1) return { args: filled };
  return {
    problem: `${args[bad]} would be ${JSON.stringify(filled[bad])}, which the sender could take for an option; write --to=${args[bad]} or read the variable CLAW_TO`,
  };
}
