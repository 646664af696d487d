/**
 * Slack's Web API: https://docs.slack.dev/reference/methods/chat.postMessage. It has no idempotency key for apps; the key
 * goes along as metadata, so that a message that came twice can be told.
 */
import { recipientOf } from './delivery.ts';
import { withPath } from './endpoint.ts';
import {
  type Answer,
  jsonOf,
  judgeStatus,
  retryAfterMs,
  type Service,
  temporary,
  textOf,
  unreadable,
  type Verdict,
} from './service.ts';

export const SLACK_API = 'https://slack.com/api';

/** Three characters have a meaning in Slack's texts: unescaped, `<!channel>` would call everybody. */
const ESCAPED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** Errors in answers that say nothing against the message itself. */
const PASSING = [
  'ratelimited',
  'rate_limited',
  'message_limit_exceeded',
  'internal_error',
  'fatal_error',
  'service_unavailable',
  'request_timeout',
  'team_added_to_org',
];

export const slack: Service = {
  measure: { most: 4000, sizeOf: character => ESCAPED[character]?.length ?? character.length },
  refuse: item => (recipientOf(item) === '' ? 'there is no channel to send to' : null),
  posting({ item, text, key }, access) {
    const { threadId } = item.origin;
    return {
      url: withPath(textOf(access.apiUrl) || SLACK_API, 'chat.postMessage'),
      headers: {
        'Content-Type': 'application/json; charset=utf-8',
        Authorization: `Bearer ${textOf(access.token)}`,
      },
      body: JSON.stringify({
        channel: recipientOf(item),
        text: text.replace(/[&<>]/g, character => ESCAPED[character]!),
        ...(threadId === undefined ? {} : { thread_ts: threadId }),
        metadata: { event_type: 'claw_delivery', event_payload: { key } },
      }),
    };
  },
  judge,
};

function judge(answer: Answer, now: number): Verdict {
  const said = jsonOf(answer);
  const verdict = judgeStatus(answer, now, textOf(said?.error) || answer.body);
  if (verdict.outcome !== 'sent') return verdict;
  if (said?.ok === true) return verdict;
  if (said?.ok !== false) return unreadable(answer);
  const error = textOf(said.error) || 'no reason given';
  if (!PASSING.includes(error)) return { outcome: 'permanent', reason: `Slack said: ${error}` };
  return temporary(
    `Slack said: ${error}`,
    retryAfterMs(answer.retryAfter, now),
    error.replace('_', '') === 'ratelimited',
  );
}
