/** What of a reply may already be shown while the program still prints. */
import { endWithoutNewlines } from './output.ts';

/**
 * Passes text on as it comes, except what may yet turn out not to be part of the reply: anything that could still
 * become a silent token, and newlines at the end. The pieces it hands out, joined, are exactly the reply.
 */
export class DeltaGate {
  readonly #silentTokens: readonly string[];
  #held = '';
  #open = false;

  /** @param silentTokens whole replies that mean "say nothing" */
  constructor(silentTokens: readonly string[]) {
    this.#silentTokens = silentTokens;
  }

  /** Takes the next piece of output; returns what can be shown now, often ''. */
  push(text: string): string {
    this.#held += text;
    if (!this.#open && this.#couldBeSilent()) return '';
    this.#open = true;
    const end = endWithoutNewlines(this.#held);
    const shown = this.#held.slice(0, end);
    this.#held = this.#held.slice(end);
    return shown;
  }

  /**
   * Takes back what was held when the run has succeeded with this reply; call it only then.
   *
   * @param reply the whole reply, already known not to be silent
   */
  end(reply: string): string {
    return this.#open ? '' : reply;
  }

  #couldBeSilent(): boolean {
    const start = this.#held.trimStart();
    return this.#silentTokens.some(token => token.startsWith(start) || start.trimEnd() === token);
  }
}
