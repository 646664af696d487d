import type { Preset } from '../preset.ts';

const BASE = [
  '-p',
  '--mode',
  'json',
  ['--model', '{{Model}}'],
  ['--thinking', '{{ThinkingLevel}}'],
  ['--append-system-prompt', '{{SystemPromptFile}}'],
  '{{Permissions}}',
  '{{MoreArgs}}',
];

const ofAssistant = (at: string) => ({ at, when: { type: 'message_end', 'message.role': 'assistant' } });

/** pi; tried with 0.73.1. It exits with 0 whatever happened, and prints the whole message again with each piece. */
export const pi: Preset = {
  runner: {
    command: 'pi',
    args: BASE,
    resumeArgs: [...BASE, '--session', '{{NativeSessionId}}'],
    asideArgs: [...BASE, '--no-session'],
    output: 'jsonl',
    context: 'native',
    idleTimeoutSeconds: 300,
    maxOutputBytes: 128 * 1024 * 1024,
    usage: 'steps',
    pick: {
      text: ofAssistant('message.content.*.text'),
      sessionId: { at: 'id', when: { type: 'session' } },
      error: [
        ofAssistant('message.errorMessage'),
        { at: 'message.stopReason', when: { type: 'message_end', 'message.stopReason': 'error' } },
        { at: 'message.stopReason', when: { type: 'message_end', 'message.stopReason': 'aborted' } },
      ],
      inputTokens: ['message.usage.input', 'message.usage.cacheRead', 'message.usage.cacheWrite'].map(
        ofAssistant,
      ),
      outputTokens: ofAssistant('message.usage.output'),
      costUsd: ofAssistant('message.usage.cost.total'),
      contextTokens: ofAssistant('message.usage.totalTokens'),
      delta: {
        at: 'assistantMessageEvent.delta',
        when: { type: 'message_update', 'assistantMessageEvent.type': 'text_delta' },
      },
      toolCall: { at: 'toolName', when: { type: 'tool_execution_start' } },
      thinking: ofAssistant('message.content.*.thinking'),
    },
    signs: {
      unknownSession: ['No session found matching'],
      contextOverflow: ['context window', 'maximum context length', 'prompt is too long'],
      auth: ['No API key found', 'No models available', '"errorMessage":"401'],
    },
  },
  permissions: {
    safe: { args: ['--tools', 'read,grep,find,ls'] },
    edit: { args: ['--tools', 'read,grep,find,ls,edit,write'] },
    full: {},
  },
  install: 'npm install -g @mariozechner/pi-coding-agent@0.73.1',
  login:
    'run pi once in a terminal and type /login, or set the API key of its provider in the env of this runner',
};
