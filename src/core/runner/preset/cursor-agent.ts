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

/** Cursor's agent, by its documentation; not tried here. The prompt is an argument; a failure is text on stderr. */
export const cursorAgent: Preset = {
  runner: {
    command: 'cursor-agent',
    args: [...BASE, '{{Body}}'],
    resumeArgs: [...BASE, '--resume', '{{NativeSessionId}}', '{{Body}}'],
    output: 'json',
    context: 'native',
    idleTimeoutSeconds: 0,
    onOtherSession: 'follow',
    usage: 'run',
    pick: { text: 'result', sessionId: 'session_id', error: 'is_error' },
    signs: {
      unknownSession: ['not found', 'No chat'],
      contextOverflow: ['context window', 'context length'],
      auth: ['Authentication required', 'Not logged in', 'CURSOR_API_KEY'],
    },
  },
  permissions: { safe: { args: ['--mode', 'ask'] }, edit: {}, full: { args: ['--force'] } },
  install: 'curl https://cursor.com/install -fsS | bash',
  login: 'run cursor-agent login in a terminal, or set CURSOR_API_KEY in the env of this runner',
};
