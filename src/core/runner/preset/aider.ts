import type { Preset } from '../preset.ts';

/** aider, by its documentation; not tried here. It takes a message from a file and prints text. */
export const aider: Preset = {
  runner: {
    command: 'aider',
    args: [
      '--message-file',
      '{{PromptFile}}',
      '--yes-always',
      '--no-stream',
      '--no-pretty',
      '--no-auto-commits',
      '--no-check-update',
      '--no-suggest-shell-commands',
      ['--model', '{{Model}}'],
      '{{Permissions}}',
      '{{MoreArgs}}',
    ],
    output: 'text',
    context: 'claw',
    idleTimeoutSeconds: 0,
    signs: {
      contextOverflow: ['context window'],
      auth: ['AuthenticationError', 'No LLM model was specified'],
    },
  },
  permissions: { safe: { args: ['--chat-mode', 'ask'] }, edit: {}, full: {} },
  install: 'python -m pip install aider-install && aider-install',
  login: 'set the API key of its model in the env of this runner',
};
