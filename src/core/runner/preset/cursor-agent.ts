import type { Preset } from '../preset.ts';

const BASE = [
  '-p',
  '--output-format',
  'json',
  '--trust',
  ['--model', '{{Model}}'],
  '{{Permissions}}',
  '{{MoreArgs}}',
];

/**
 * Cursor's agent, by its documentation and what others drive it with; not tried here. Text on stdin goes before an
 * argument; a failure is text on stderr. It may leave a worker behind that keeps its output open.
 */
export const cursorAgent: Preset = {
  runner: {
    command: 'cursor-agent',
    args: BASE,
    resumeArgs: [...BASE, '--resume', '{{NativeSessionId}}'],
    output: 'json',
    context: 'native',
    expands: { commands: ['/'], files: true },
    idleTimeoutSeconds: 0,
    onOtherSession: 'follow',
    usage: 'run',
    pick: { text: 'result', sessionId: 'session_id', error: 'is_error' },
    signs: {
      unknownSession: ['Chat not found', 'No previous chats', 'Conversation not found'],
      contextOverflow: ['context window', 'context length'],
      auth: ['Authentication required', 'Not authenticated', 'Not logged in', 'CURSOR_API_KEY'],
    },
  },
  permissions: { safe: { args: ['--mode', 'ask'] }, edit: {}, full: { args: ['--force'] } },
  install: 'curl https://cursor.com/install -fsS | bash',
  login: 'run cursor-agent login in a terminal, or set CURSOR_API_KEY in the env of this runner',
};
