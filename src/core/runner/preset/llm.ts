import type { Preset } from '../preset.ts';

/** llm, by its source; not tried here. claw sends the history, so llm keeps no log of it. It writes each piece at once. */
export const llm: Preset = {
  runner: {
    command: 'llm',
    args: ['-n', ['-m', '{{Model}}'], ['-s', '{{SystemPrompt}}'], '{{MoreArgs}}'],
    output: 'text',
    context: 'claw',
    idleTimeoutSeconds: 0,
    signs: {
      contextOverflow: ['maximum context length', 'context window', 'context_length_exceeded'],
      auth: ['No key found', 'Incorrect API key', 'Error code: 401'],
    },
  },
  permissions: { safe: {}, edit: {}, full: {} },
  install: 'pipx install llm',
  login: 'llm keys set openai',
};
