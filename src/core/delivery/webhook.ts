/** A reply as one JSON document: for a webhook, and as a line of a file. */
import { type OutboxItem, recipientOf } from './delivery.ts';
import { judgeStatus, type Service, textOf } from './service.ts';

/** What others are given of a delivery; absent things are null. */
export function deliveryDocument(item: OutboxItem): Record<string, string | null> {
  const { origin } = item;
  return {
    deliveryId: item.id,
    text: item.text,
    to: recipientOf(item),
    channel: origin.channel,
    accountId: origin.accountId,
    chatType: origin.chatType,
    threadId: origin.threadId ?? null,
    replyTo: item.messageId || null,
    sessionKey: item.sessionKey,
    agentId: item.agentId,
  };
}

export const webhook: Service = {
  measure: null,
  posting({ item, key }, access) {
    return {
      url: textOf(access.url),
      headers: {
        ...(access.headers as Record<string, string> | undefined),
        'Content-Type': 'application/json',
        'Idempotency-Key': key,
      },
      body: JSON.stringify(deliveryDocument(item)),
    };
  },
  // What it says of a success is its own business.
  judge: (answer, now) => judgeStatus(answer, now, answer.body),
};

/**
 * What a shared secret signs, as Standard Webhooks (https://www.standardwebhooks.com) has it: HMAC-SHA256 of this text,
 * in base64, behind `v1,`.
 *
 * @param seconds time of the request, epoch seconds
 */
export function signedText(id: string, seconds: number, body: string): string {
  return `${id}.${seconds}.${body}`;
}
