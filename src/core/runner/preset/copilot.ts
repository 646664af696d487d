import type { Preset } from '../preset.ts';

const BASE = [
  '--output-format',
  'json',
  '--no-ask-user',
  '--usage-output-file',
  '{{UsageFile}}',
  ['--model', '{{Model}}'],
  ['--reasoning-effort', '{{ThinkingLevel}}'],
  '{{Permissions}}',
  '{{MoreArgs}}',
];

/** GitHub Copilot CLI; tried with 1.0.102. Tokens stand in a file, and count on over the whole session. */
export const copilot: Preset = {
  runner: {
    command: 'copilot',
    args: [...BASE, '--session-id', '{{NativeSessionId}}'],
    resumeArgs: [...BASE, '--resume={{NativeSessionId}}'],
    thinkingLevels: { off: 'none' },
    output: 'jsonl',
    context: 'native',
    expands: { commands: ['/'] },
    // It says nothing of it but that it has ended well.
    compactPrompt: '/compact',
    idleTimeoutSeconds: 300,
    usage: 'cumulative',
    pick: {
      text: { at: 'data.content', when: { type: 'assistant.message' } },
      sessionId: { at: 'sessionId', when: { type: 'result' } },
      error: { at: 'data.message', when: { type: 'session.error' } },
      inputTokens: 'modelMetrics.*.usage.inputTokens',
      outputTokens: 'modelMetrics.*.usage.outputTokens',
      delta: { at: 'data.deltaContent', when: { type: 'assistant.message_delta' } },
      toolCall: { at: 'data.toolName', when: { type: 'tool.execution_start' } },
      thinking: { at: 'data.content', when: { type: 'assistant.reasoning' } },
    },
    signs: {
      unknownSession: ['No session, task, or name matched'],
      contextOverflow: ['context window', 'maximum context length', 'prompt token count'],
      auth: ['No authentication information found', '"statusCode":401'],
    },
  },
  permissions: {
    safe: {},
    edit: { args: ['--allow-tool', 'write'] },
    full: { args: ['--allow-all-tools'] },
  },
  install: 'npm install -g @github/copilot',
  login:
    'run copilot once in a terminal and type /login, or set COPILOT_GITHUB_TOKEN in the env of this runner',
};
