import type { Preset } from '../preset.ts';

/**
 * aider, by its source; not tried here. It takes a message from a file and prints text: some lines about itself before the
 * reply and one about tokens after it. It exits with 0 whatever its model said; without a key it tries to log in, for minutes.
 */
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
      // Those that it does not try again.
      failed: [
        ...['AuthenticationError', 'BadRequestError', 'NotFoundError', 'PermissionDeniedError'].map(
          name => `litellm.${name}`,
        ),
        'Token counts below are approximate',
      ],
      contextOverflow: ['hit a token limit', 'exhausted context window', 'ContextWindowExceededError'],
      auth: ['AuthenticationError', 'not able to authenticate you', 'No LLM model was specified'],
    },
  },
  permissions: { safe: { args: ['--chat-mode', 'ask'] }, edit: {}, full: {} },
  install: 'python -m pip install aider-install && aider-install',
  login: 'set the API key of its model in the env of this runner',
};
