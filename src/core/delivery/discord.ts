/**
 * Discord's API: https://discord.com/developers/docs/resources/message#create-message for a bot, and
 * https://discord.com/developers/docs/resources/webhook#execute-webhook for the webhook of one channel.
 */
import { type OutboxItem, recipientOf } from './delivery.ts';
import { withPath } from './endpoint.ts';
import {
  type Access,
  type Answer,
  jsonOf,
  judgeStatus,
  type Outgoing,
  type Posting,
  type Service,
  temporary,
  textOf,
  unreadable,
  type Verdict,
} from './service.ts';
import { unitsOf } from './split.ts';

export const DISCORD_API = 'https://discord.com/api/v10';

/** Discord refuses callers that do not name themselves in this form. */
const AGENT = 'DiscordBot (https://claw.invalid, 1)';
const USER = 'user:';

export const discord: Service = {
  measure: { most: 2000, sizeOf: unitsOf },
  refuse: (item, access) =>
    access.webhookUrl === undefined && address(item) === '' ? 'there is no channel to send to' : null,
  open(item, access) {
    const person = access.webhookUrl === undefined ? personOf(item) : null;
    if (person === null) return null;
    return post(withPath(apiOf(access), 'users/@me/channels'), access, { recipient_id: person });
  },
  opened(answer, now) {
    const verdict = judge(answer, now);
    const id = textOf(jsonOf(answer)?.id);
    return verdict.outcome === 'sent' ? { address: id } : verdict;
  },
  posting(message, access) {
    const { item, text } = message;
    const content = { content: text, allowed_mentions: { parse: [] } };
    if (access.webhookUrl !== undefined) {
      const url = new URL(textOf(access.webhookUrl));
      url.searchParams.set('wait', 'true');
      if (item.origin.threadId !== undefined) url.searchParams.set('thread_id', item.origin.threadId);
      return post(url.href, access, content);
    }
    const channel = message.address ?? address(item);
    const quotes = access.replyTo === true && message.part === 0 && /^\d+$/.test(item.messageId);
    return post(withPath(apiOf(access), `channels/${encodeURIComponent(channel)}/messages`), access, {
      ...content,
      nonce: nonceOf(message),
      enforce_nonce: true,
      ...(quotes ? { message_reference: { message_id: item.messageId, fail_if_not_exists: false } } : {}),
    });
  },
  judge,
};

/** A thread is a channel of its own. */
function address(item: OutboxItem): string {
  return item.origin.threadId ?? recipientOf(item);
}

/** The person whose private channel has to be opened first; null where a channel is named. */
function personOf({ origin }: OutboxItem): string | null {
  const { to, from, chatType, threadId } = origin;
  if (threadId !== undefined) return null;
  if (to?.startsWith(USER)) return to.slice(USER.length);
  return to === undefined && chatType === 'dm' && from !== undefined ? from : null;
}

/** At most 25 characters: the random end of the id, and the part. */
function nonceOf({ item, part }: Outgoing): string {
  return `${item.id.replaceAll('-', '').slice(-21)}${part.toString(36).padStart(4, '0')}`;
}

function apiOf(access: Access): string {
  return textOf(access.apiUrl) || DISCORD_API;
}

function post(url: string, access: Access, body: object): Posting {
  const bot: Record<string, string> =
    access.token === undefined ? {} : { Authorization: `Bot ${textOf(access.token)}` };
  return {
    url,
    headers: { 'Content-Type': 'application/json', 'User-Agent': AGENT, ...bot },
    body: JSON.stringify(body),
  };
}

function judge(answer: Answer, now: number): Verdict {
  const said = jsonOf(answer);
  const words = said
    ? [said.message, said.code && `(code ${textOf(said.code)})`].filter(Boolean).join(' ')
    : '';
  const verdict = judgeStatus(answer, now, words || answer.body);
  if (verdict.outcome === 'sent') return textOf(said?.id) === '' ? unreadable(answer) : verdict;
  if (verdict.outcome === 'temporary' && typeof said?.retry_after === 'number')
    return temporary(verdict.reason, said.retry_after * 1000, answer.status === 429);
  return verdict;
}
