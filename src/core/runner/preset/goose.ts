import type { Preset } from '../preset.ts';

const BASE = [
  'run',
  '-i',
  '-',
  '-q',
  '--output-format',
  'json',
  ['--model', '{{Model}}'],
  ['--system', '{{SystemPrompt}}'],
  '{{MoreArgs}}',
];

/**
 * goose, by its source; not tried here. It names no session in its output, so claw names it. What its provider refuses it
 * says in the place of a reply.
 */
export const goose: Preset = {
  runner: {
    command: 'goose',
    args: [...BASE, '-n', '{{NativeSessionId}}'],
    resumeArgs: [...BASE, '-r', '-n', '{{NativeSessionId}}'],
    asideArgs: [...BASE, '--no-session'],
    output: 'json',
    context: 'native',
    // It prints when it is done.
    idleTimeoutSeconds: 0,
    usage: 'cumulative',
    pick: {
      text: 'messages.-1.content.*.text',
      error: { at: 'metadata.status', when: { 'metadata.status': 'error' } },
      inputTokens: 'metadata.input_tokens',
      outputTokens: 'metadata.output_tokens',
      costUsd: 'metadata.cost_usd',
    },
    signs: {
      failed: ['Ran into this error', 'Unable to continue: Context limit'],
      unknownSession: ['No session found', 'Session not found', 'Cannot resume session'],
      contextOverflow: ['context length exceeded', 'context limit still exceeded', 'context window'],
      auth: [
        'Authentication error',
        'No provider configured',
        'Authentication failed',
        'No model configured',
      ],
    },
  },
  permissions: {
    safe: { env: { GOOSE_MODE: 'chat' } },
    edit: { env: { GOOSE_MODE: 'smart_approve' } },
    full: { env: { GOOSE_MODE: 'auto' } },
  },
  install: 'see https://block.github.io/goose/docs/getting-started/installation',
  login: 'run goose configure in a terminal',
};
