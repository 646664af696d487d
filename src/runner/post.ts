/** One request of a sender, and what came back. Loaded only where a channel has a sender over HTTP. */
import type { Answer, Posting } from '../core/delivery/service.ts';

/** An answer says what happened in its first lines. */
const LARGEST_ANSWER = 64 * 1024;
const MOST_REDIRECTIONS = 3;

/** No answer: why, without the address, which may be the secret. */
export interface Trouble {
  trouble: string;
}

/**
 * Posts, and waits for the answer as long as allowed in all. Only a 307 or 308 within the same origin is followed: a
 * message and its token go nowhere else (and with 301 to 303 the message would be dropped on the way).
 *
 * @param ending aborted: the answer is not waited for any longer
 * @returns also an answer whose body ended early; Trouble where there was none
 */
export async function post(
  posting: Posting,
  timeoutMs: number,
  ending?: AbortSignal,
): Promise<Answer | Trouble> {
  const { host } = new URL(posting.url);
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = ending ? AbortSignal.any([timeout, ending]) : timeout;
  const late = { trouble: `${host} did not answer within ${timeoutMs / 1000} s` };
  let { url } = posting;
  try {
    for (let hop = 0; ; hop++) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'User-Agent': 'claw', ...posting.headers },
        body: posting.body,
        redirect: 'manual',
        signal,
      });
      const next = redirection(response, url);
      if (next === null || hop === MOST_REDIRECTIONS) {
        const { status, headers } = response;
        return { status, retryAfter: headers.get('retry-after'), body: await beginningOf(response) };
      }
      await response.body?.cancel();
      url = next;
    }
  } catch (error) {
    if (ending?.aborted) return { trouble: `claw was told to end before ${host} had answered` };
    if (signal.aborted) return late;
    return { trouble: `${host} cannot be reached (${codeOf(error)})` };
  }
}

function redirection(response: Response, from: string): string | null {
  const location = response.headers.get('location');
  if (![307, 308].includes(response.status) || location === null || !URL.canParse(location, from))
    return null;
  const next = new URL(location, from);
  return next.origin === new URL(from).origin ? next.href : null;
}

/** As much of the body as came before its end, the limit, the deadline or the end of the connection. */
async function beginningOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  try {
    while (reader && size < LARGEST_ANSWER) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      size += value.length;
    }
    await reader?.cancel();
  } catch {
    // The status was there; what is missing makes the answer unreadable for who needs it.
  }
  return Buffer.concat(chunks).subarray(0, LARGEST_ANSWER).toString('utf8');
}

/** Only codes: the messages of the client quote addresses and headers. */
function codeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown; errors?: { code?: unknown }[] } };
  const code = cause?.code ?? cause?.errors?.[0]?.code;
  return typeof code === 'string' ? code : 'the request failed';
}
