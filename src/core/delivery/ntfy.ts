/** ntfy: https://docs.ntfy.sh/publish/. The topic is the recipient, whoever wrote; there is no idempotency key. */
import { withPath } from './endpoint.ts';
import {
  type Answer,
  jsonOf,
  judgeStatus,
  type Service,
  textOf,
  unreadable,
  type Verdict,
} from './service.ts';
import { bytesOf } from './split.ts';

export const NTFY_URL = 'https://ntfy.sh';

export const ntfy: Service = {
  measure: { most: 4096, sizeOf: bytesOf },
  posting({ text }, access) {
    const title = textOf(access.title);
    const priority = textOf(access.priority);
    return {
      url: withPath(textOf(access.url) || NTFY_URL, encodeURIComponent(textOf(access.topic))),
      headers: {
        'Content-Type': 'text/plain; charset=utf-8',
        ...(access.token === undefined ? {} : { Authorization: `Bearer ${textOf(access.token)}` }),
        ...(title === '' ? {} : { Title: headerText(title) }),
        ...(priority === '' ? {} : { Priority: priority }),
      },
      body: text,
    };
  },
  judge,
};

function judge(answer: Answer, now: number): Verdict {
  const said = jsonOf(answer);
  const verdict = judgeStatus(answer, now, textOf(said?.error) || answer.body);
  return verdict.outcome === 'sent' && textOf(said?.id) === '' ? unreadable(answer) : verdict;
}

/** A header holds ASCII; anything else goes as an encoded word (RFC 2047), which ntfy reads. */
function headerText(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const bytes = new TextEncoder().encode(text);
  return `=?UTF-8?B?${btoa(String.fromCharCode(...bytes))}?=`;
}
