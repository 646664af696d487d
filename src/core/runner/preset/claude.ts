import type { Preset } from '../preset.ts';

const BASE = [
  '-p',
  '--output-format',
  'stream-json',
  '--verbose',
  '--include-partial-messages',
  ['--model', '{{Model}}'],
  ['--effort', '{{ThinkingLevel}}'],
  ['--append-system-prompt-file', '{{SystemPromptFile}}'],
  // The system prompt is claw's to change from turn to turn; a recorded one would be kept until compaction.
  '--system-prompt-snapshot',
  'off',
  // They would outlive the run, which ends with its answer.
  '--disallowedTools',
  'ScheduleWakeup,CronCreate,Monitor',
  '{{Permissions}}',
  '{{MoreArgs}}',
];

/** Claude Code; tried with 2.1.330. `usage` is of one run, the cost of the whole session. */
export const claude: Preset = {
  runner: {
    command: 'claude',
    args: [...BASE, '--session-id', '{{NativeSessionId}}'],
    resumeArgs: [...BASE, '--resume', '{{NativeSessionId}}'],
    asideArgs: [...BASE, '--no-session-persistence'],
    env: { CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1', DISABLE_AUTOUPDATER: '1' },
    thinkingLevels: { off: 'low', minimal: 'low' },
    output: 'jsonl',
    context: 'native',
    expands: { commands: ['/'], files: true },
    compactPrompt: '/compact',
    idleTimeoutSeconds: 300,
    onOtherSession: 'follow',
    usage: 'run',
    costs: 'cumulative',
    pick: {
      text: { at: 'result', when: { type: 'result', is_error: false } },
      sessionId: { at: 'session_id', when: { type: 'result' } },
      error: [
        { at: 'errors.0', when: { type: 'result', is_error: true } },
        { at: 'is_error', when: { type: 'result' } },
        ...['max_turns', 'budget_exhausted', 'hook_stopped', 'aborted_tools', 'aborted_streaming'].map(
          reason => ({ at: 'terminal_reason', when: { type: 'result', terminal_reason: reason } }),
        ),
      ],
      inputTokens: [
        'usage.input_tokens',
        'usage.cache_read_input_tokens',
        'usage.cache_creation_input_tokens',
      ].map(at => ({ at, when: { type: 'result' } })),
      outputTokens: { at: 'usage.output_tokens', when: { type: 'result' } },
      costUsd: { at: 'total_cost_usd', when: { type: 'result' } },
      contextTokens: [
        'message.usage.input_tokens',
        'message.usage.cache_read_input_tokens',
        'message.usage.cache_creation_input_tokens',
        'message.usage.output_tokens',
      ].map(at => ({ at, when: { type: 'assistant', parent_tool_use_id: null } })),
      compactedFrom: {
        at: 'compact_metadata.pre_tokens',
        when: { type: 'system', subtype: 'compact_boundary' },
      },
      compactedTo: {
        at: 'compact_metadata.post_tokens',
        when: { type: 'system', subtype: 'compact_boundary' },
      },
      delta: {
        at: 'event.delta.text',
        when: { type: 'stream_event', 'event.delta.type': 'text_delta', parent_tool_use_id: null },
      },
      toolCall: { at: 'message.content.*.name', when: { type: 'assistant', parent_tool_use_id: null } },
      thinking: { at: 'message.content.*.thinking', when: { type: 'assistant', parent_tool_use_id: null } },
    },
    signs: {
      unknownSession: ['No conversation found with session ID'],
      contextOverflow: ['prompt is too long', 'context window exceeded', 'conversation too long'],
      auth: ['Not logged in', 'Failed to authenticate', 'Invalid API key', 'OAuth token has expired'],
    },
  },
  permissions: {
    safe: { args: ['--permission-mode', 'dontAsk'] },
    edit: { args: ['--permission-mode', 'acceptEdits'] },
    full: { args: ['--permission-mode', 'bypassPermissions'] },
  },
  install: 'npm install -g @anthropic-ai/claude-code',
  login: 'run claude once in a terminal and log in, or set ANTHROPIC_API_KEY in the env of this runner',
};
