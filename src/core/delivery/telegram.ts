/** Telegram's Bot API: https://core.telegram.org/bots/api#sendmessage */
import { recipientOf } from './delivery.ts';
import { withPath } from './endpoint.ts';
import {
  type Answer,
  jsonOf,
  judgeStatus,
  type Service,
  temporary,
  textOf,
  unreadable,
  type Verdict,
} from './service.ts';
import { unitsOf } from './split.ts';

export const TELEGRAM_API = 'https://api.telegram.org';

/** The topic every forum begins with; as a thread it does not exist for the API. */
const GENERAL_TOPIC = '1';

export const telegram: Service = {
  measure: { most: 4096, sizeOf: unitsOf },
  refuse: item => (recipientOf(item) === '' ? 'there is no chat to send to' : null),
  posting({ item, text, part }, access) {
    const { threadId } = item.origin;
    const inTopic = threadId !== undefined && /^\d+$/.test(threadId) && threadId !== GENERAL_TOPIC;
    const quotes = access.replyTo === true && part === 0 && /^\d+$/.test(item.messageId);
    return {
      url: withPath(textOf(access.apiUrl) || TELEGRAM_API, `bot${textOf(access.token)}/sendMessage`),
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        chat_id: recipientOf(item),
        text,
        ...(inTopic ? { message_thread_id: Number(threadId) } : {}),
        ...(quotes
          ? { reply_parameters: { message_id: Number(item.messageId), allow_sending_without_reply: true } }
          : {}),
      }),
    };
  },
  judge,
};

function judge(answer: Answer, now: number): Verdict {
  const said = jsonOf(answer);
  if (said?.ok === true) return { outcome: 'sent' };
  if (said?.ok !== false) {
    const verdict = judgeStatus(answer, now, answer.body);
    return verdict.outcome === 'sent' ? unreadable(answer) : verdict;
  }
  const status = typeof said.error_code === 'number' ? said.error_code : answer.status;
  const { retry_after: seconds } = (said.parameters ?? {}) as { retry_after?: unknown };
  const words = textOf(said.description);
  const verdict = judgeStatus({ ...answer, status }, now, words);
  if (verdict.outcome === 'sent') return { outcome: 'permanent', reason: words };
  if (verdict.outcome === 'temporary' && typeof seconds === 'number')
    return temporary(verdict.reason, seconds * 1000, status === 429);
  return verdict;
}
