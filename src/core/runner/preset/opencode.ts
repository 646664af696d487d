import type { Preset } from '../preset.ts';

const BASE = ['run', '--format', 'json', ['-m', '{{Model}}'], '{{Permissions}}', '{{MoreArgs}}'];
/** Its permissions have no flags; this variable is a config of one run. */
const denied = (...tools: string[]) => ({
  OPENCODE_CONFIG_CONTENT: JSON.stringify({
    permission: Object.fromEntries(tools.map(tool => [tool, 'deny'])),
  }),
});

/** opencode; tried with 1.18.33. Each step counts its own tokens. */
export const opencode: Preset = {
  runner: {
    command: 'opencode',
    args: BASE,
    resumeArgs: [...BASE, '-s', '{{NativeSessionId}}'],
    env: { OPENCODE_DISABLE_AUTOUPDATE: '1' },
    output: 'jsonl',
    context: 'native',
    idleTimeoutSeconds: 300,
    usage: 'steps',
    pick: {
      text: { at: 'part.text', when: { type: 'text' } },
      pieces: true,
      sessionId: 'sessionID',
      error: [
        { at: 'error.data.message', when: { type: 'error' } },
        { at: 'error.name', when: { type: 'error' } },
      ],
      inputTokens: ['part.tokens.input', 'part.tokens.cache.read', 'part.tokens.cache.write'].map(at => ({
        at,
        when: { type: 'step_finish' },
      })),
      outputTokens: ['part.tokens.output', 'part.tokens.reasoning'].map(at => ({
        at,
        when: { type: 'step_finish' },
      })),
      costUsd: { at: 'part.cost', when: { type: 'step_finish' } },
      contextTokens: { at: 'part.tokens.total', when: { type: 'step_finish' } },
      delta: { at: 'part.text', when: { type: 'text' } },
      toolCall: { at: 'part.tool', when: { type: 'tool_use' } },
      // Only with --thinking among moreArgs.
      thinking: { at: 'part.text', when: { type: 'reasoning' } },
    },
    signs: {
      unknownSession: ['Session not found'],
      contextOverflow: ['maximum context length', 'context window', 'ContextOverflowError'],
      auth: ['ProviderAuthError', 'API key is missing', '"statusCode":401'],
    },
  },
  permissions: {
    safe: { env: denied('edit', 'bash', 'webfetch', 'external_directory') },
    edit: { env: denied('bash', 'external_directory') },
    full: { args: ['--auto'] },
  },
  install: 'npm install -g opencode-ai',
  login: 'run opencode auth login in a terminal',
};
