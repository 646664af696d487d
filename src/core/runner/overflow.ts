/** Failures that mean: the prompt is longer than the model can read. */
import type { TurnOutcome } from '../turn-request.ts';

/** What services and programs say, in any mix of cases. Whoever knows another wording adds it here. */
export const OVERFLOW_PATTERNS: readonly RegExp[] = [
  /context[_ -]?length[_ -]?exceeded/i,
  /(?:maximum|max) context (?:length|size|window)/i,
  /context (?:length|window|size|limit)s? (?:is |was |has been )?(?:exceeded|too (?:long|large|small)|full|overflow)/i,
  /(?:exceeds?|exceeded|exceeding|longer than|larger than|beyond|over) (?:the |this )?(?:model(?:'|’)?s? )?(?:available |maximum |max )?(?:context|token limit|input token)/i,
  /context[_ -]?(?:window[_ -]?)?overflow/i,
  /context_?window_?exceeded/i,
  /exceed_context_size/i,
  /prompt (?:is )?too long/i,
  /input (?:is )?too long/i,
  /(?:conversation|message) (?:is )?too long/i,
  /request_too_large|request (?:is )?too large|request entity too large|request exceeds the maximum size/i,
  /input (?:length|tokens?)(?: count)? .{0,60}exceeds?/i,
  /too many (?:input |prompt )?tokens/i,
  /requested tokens? .{0,40}exceed/i,
  /reduce the length of (?:the|your) (?:messages|prompt|input)/i,
  /tokens? (?:to keep from|in the) .{0,40}(?:context|prompt).{0,40}(?:exceeds?|greater)/i,
];

/** Places where a service names its window, in tokens. */
const LIMITS: readonly RegExp[] = [
  /maximum context (?:length|size|window) (?:is|of) (\d[\d,_]*)/i,
  /> (\d[\d,_]*) maximum/i,
  /maximum (?:number of )?(?:input )?tokens(?: allowed)? \(?(\d[\d,_]*)/i,
  /context (?:size|length|window) (?:is |of |\()?(\d[\d,_]*)/i,
];

/** Words of rate limits, which speak of tokens too. */
const RATE = /rate[_ -]?limit|tokens per (?:min|day|hour)|\bTPM\b|quota|too many requests/i;

/** How much of a failed run's output is looked at. */
const LOOKED_AT = 4000;

/**
 * Whether a run failed because it was given too much: by the wordings here, or by the signs of its runner, which gave the
 * failure its code.
 *
 * @returns null when it did not, else the window the error names, in tokens, where it names one
 */
export function overflowOf(outcome: TurnOutcome): { limit: number | null } | null {
  if (outcome.status !== 'failed') return null;
  const { code, message } = outcome.error;
  if (code === 'prompt-too-long') return { limit: null };
  const isNamed = code === 'context-overflow';
  if (!isNamed && code !== 'exit' && code !== 'agent-error' && code !== 'empty' && code !== 'output')
    return null;
  const text = `${message}\n${outcome.output.slice(-LOOKED_AT)}`;
  if (!isNamed && !OVERFLOW_PATTERNS.some(pattern => pattern.test(text))) return null;
  if (!isNamed && RATE.test(text) && !/context/i.test(text)) return null;
  const limits = LIMITS.map(pattern => Number(pattern.exec(text)?.[1]?.replace(/[,_]/g, '')));
  return { limit: limits.find(limit => limit > 0) ?? null };
}
