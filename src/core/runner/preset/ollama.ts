import type { Preset } from '../preset.ts';

/** ollama, by its source; not tried here. It has neither sessions nor a flag for system text. */
export const ollama: Preset = {
  runner: {
    command: 'ollama',
    args: ['run', '{{Model}}', '--nowordwrap', '--hidethinking', '{{MoreArgs}}'],
    defaultModel: 'llama3.2',
    output: 'text',
    context: 'claw',
    // A large model may be read for minutes before its first word.
    idleTimeoutSeconds: 0,
    // It cuts what is too long, unless its server is told not to.
    signs: { contextOverflow: ['context length'], auth: ['need to be signed in to Ollama'] },
  },
  permissions: { safe: {}, edit: {}, full: {} },
  install: 'see https://ollama.com/download',
  login: 'start its server: ollama serve',
};
