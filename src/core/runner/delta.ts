/** What of a reply may already be shown while the program still prints. */
import { LONGEST_TOKEN, mayBeginToken } from './silence.ts';

/**
 * Passes text on as it comes, except what may yet turn out not to be part of the reply: a beginning that could become a
 * token, and an end that could be cut off (white space, and words that are a token or begin one). The pieces it hands
 * out, joined, are exactly the reply.
 */
export class DeltaGate {
  readonly #silentTokens: readonly string[];
  #held = '';
  #shown = 0;
  #open = false;

  /** @param silentTokens the runner's tokens for "say nothing" */
  constructor(silentTokens: readonly string[]) {
    this.#silentTokens = silentTokens;
  }

  /** Takes the next piece of output; returns what can be shown now, often ''. */
  push(text: string): string {
    this.#held += text;
    if (!this.#open && mayBeginToken(this.#held, this.#silentTokens)) return '';
    this.#open = true;
    const end = this.#safeEnd();
    const shown = this.#held.slice(0, end);
    this.#held = this.#held.slice(end);
    this.#shown += shown.length;
    return shown;
  }

  /**
   * Takes back what was held when the run has succeeded with this reply; call it only then.
   *
   * @param reply the whole reply, already known not to be silent
   */
  end(reply: string): string {
    return reply.slice(this.#shown);
  }

  /** Up to where what is held is certainly part of the reply: before white space and a token that may follow it. */
  #safeEnd(): number {
    const tail = Math.max(0, this.#held.length - LONGEST_TOKEN);
    let end = this.#held.length;
    for (const { index } of this.#held.slice(tail).matchAll(/\s+/g)) {
      if (!mayBeginToken(this.#held.slice(tail + index), this.#silentTokens)) continue;
      end = tail + index;
      break;
    }
    while (end > 0 && /\s/.test(this.#held[end - 1]!)) end -= 1;
    return end;
  }
}
