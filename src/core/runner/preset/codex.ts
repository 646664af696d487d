import type { Preset } from '../preset.ts';

// `resume` takes no -s and no -C: the sandbox is set by a key of its config, it works in the folder it is started in.
const BASE = [
  '--json',
  '--skip-git-repo-check',
  ['-m', '{{Model}}'],
  ['-c', 'model_reasoning_effort="{{ThinkingLevel}}"'],
  ['-c', 'developer_instructions={{SystemPromptJson}}'],
  '{{Permissions}}',
  '{{MoreArgs}}',
];

/** OpenAI Codex; tried with 0.169.0. Its counters go on over the whole thread. */
export const codex: Preset = {
  runner: {
    command: 'codex',
    args: ['exec', ...BASE, '-'],
    resumeArgs: ['exec', 'resume', ...BASE, '{{NativeSessionId}}', '-'],
    asideArgs: ['exec', '--ephemeral', ...BASE, '-'],
    thinkingLevels: { off: 'minimal' },
    output: 'jsonl',
    context: 'native',
    idleTimeoutSeconds: 300,
    usage: 'cumulative',
    pick: {
      text: { at: 'item.text', when: { type: 'item.completed', 'item.type': 'agent_message' } },
      sessionId: { at: 'thread_id', when: { type: 'thread.started' } },
      error: [
        { at: 'error.message', when: { type: 'turn.failed' } },
        { at: 'message', when: { type: 'error' } },
      ],
      inputTokens: { at: 'usage.input_tokens', when: { type: 'turn.completed' } },
      outputTokens: { at: 'usage.output_tokens', when: { type: 'turn.completed' } },
      delta: { at: 'item.text', when: { type: 'item.completed', 'item.type': 'agent_message' } },
      toolCall: [
        ['item.command', 'command_execution'],
        ['item.tool', 'mcp_tool_call'],
        ['item.query', 'web_search'],
        ['item.changes.0.path', 'file_change'],
      ].map(([at, type]) => ({ at: at!, when: { type: 'item.completed', 'item.type': type! } })),
      thinking: { at: 'item.text', when: { type: 'item.completed', 'item.type': 'reasoning' } },
    },
    signs: {
      unknownSession: ['no rollout found'],
      contextOverflow: ['context window', 'context_length_exceeded', 'maximum context length'],
      auth: ['401 Unauthorized', 'Not logged in', 'Missing environment variable'],
    },
  },
  permissions: {
    safe: { args: ['-c', 'sandbox_mode="read-only"'] },
    edit: { args: ['-c', 'sandbox_mode="workspace-write"'] },
    full: { args: ['-c', 'sandbox_mode="danger-full-access"'] },
  },
  install: 'npm install -g @openai/codex',
  login: 'run codex login in a terminal, or set OPENAI_API_KEY in the env of this runner',
};
