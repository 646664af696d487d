import type { Preset } from '../preset.ts';

const BASE = ['--skip-trust', '-o', 'stream-json', ['-m', '{{Model}}'], '{{Permissions}}', '{{MoreArgs}}'];

/** Gemini CLI; tried with 0.61.0. A session is known only in the folder it began in. It has no flag for system text. */
export const gemini: Preset = {
  runner: {
    command: 'gemini',
    args: [...BASE, '--session-id', '{{NativeSessionId}}'],
    resumeArgs: [...BASE, '--resume', '{{NativeSessionId}}'],
    output: 'jsonl',
    context: 'native',
    expands: { commands: ['/'], files: true },
    idleTimeoutSeconds: 300,
    usage: 'run',
    pick: {
      text: { at: 'content', when: { type: 'message', role: 'assistant' } },
      pieces: true,
      sessionId: { at: 'session_id', when: { type: 'init' } },
      error: { at: 'error.message', when: { type: 'result', status: 'error' } },
      inputTokens: { at: 'stats.input_tokens', when: { type: 'result' } },
      outputTokens: { at: 'stats.output_tokens', when: { type: 'result' } },
      delta: { at: 'content', when: { type: 'message', role: 'assistant' } },
      toolCall: { at: 'tool_name', when: { type: 'tool_use' } },
    },
    signs: {
      unknownSession: [42, 'Invalid session identifier', 'No previous sessions found'],
      contextOverflow: ['exceeds the maximum number of tokens', 'context window'],
      auth: [41, 145, 'you must specify the GEMINI_API_KEY', 'Please set an Auth method'],
    },
  },
  permissions: {
    safe: { args: ['--approval-mode', 'default'] },
    edit: { args: ['--approval-mode', 'auto_edit'] },
    full: { args: ['--approval-mode', 'yolo'] },
  },
  install: 'npm install -g @google/gemini-cli',
  login: 'run gemini once in a terminal and log in, or set GEMINI_API_KEY in the env of this runner',
};
