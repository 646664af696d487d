import type { Preset } from '../preset.ts';

/** llm, by its documentation; not tried here. claw sends the history, so llm keeps no log of it. */
export const llm: Preset = {
  runner: {
    command: 'llm',
    args: ['--no-stream', '-n', ['-m', '{{Model}}'], ['-s', '{{SystemPrompt}}'], '{{MoreArgs}}'],
    output: 'text',
    context: 'claw',
    idleTimeoutSeconds: 0,
    signs: {
      contextOverflow: ['maximum context length', 'context window'],
      auth: ['No key found', 'Incorrect API key', 'Error code: 401'],
    },
  },
  permissions: { safe: {}, edit: {}, full: {} },
  install: 'pipx install llm',
  login: 'llm keys set openai',
};
