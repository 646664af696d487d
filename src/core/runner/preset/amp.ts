import type { Preset } from '../preset.ts';

const BASE = ['-x', '--stream-json', ['-m', '{{Model}}'], '{{MoreArgs}}'];

/**
 * Amp, by its own help; tried with 0.0.1790142911, but not logged in. Its output is that of claude. A thread keeps the mode
 * it began with. Without a key it takes the prompt for a login code, and fails.
 */
export const amp: Preset = {
  runner: {
    command: 'amp',
    args: BASE,
    resumeArgs: ['threads', 'continue', '{{NativeSessionId}}', ...BASE],
    output: 'jsonl',
    context: 'native',
    idleTimeoutSeconds: 300,
    onOtherSession: 'follow',
    modelBound: true,
    usage: 'run',
    pick: {
      text: { at: 'result', when: { type: 'result', is_error: false } },
      sessionId: 'session_id',
      error: [
        { at: 'error', when: { type: 'result', is_error: true } },
        { at: 'is_error', when: { type: 'result' } },
      ],
      inputTokens: [
        'usage.input_tokens',
        'usage.cache_read_input_tokens',
        'usage.cache_creation_input_tokens',
      ].map(at => ({ at, when: { type: 'result' } })),
      outputTokens: { at: 'usage.output_tokens', when: { type: 'result' } },
      toolCall: { at: 'message.content.*.name', when: { type: 'assistant' } },
    },
    signs: {
      // "Thread <its address> does not exist."
      unknownSession: ['Thread not found', 'Thread http'],
      contextOverflow: ['context window', 'prompt is too long'],
      auth: ['No API key found', 'Invalid or missing API key', 'AMP_API_KEY', 'Unauthorized'],
    },
  },
  permissions: { safe: {}, edit: {}, full: {} },
  install: 'npm install -g @sourcegraph/amp',
  login: 'run amp login in a terminal, or set AMP_API_KEY in the env of this runner',
};
