/** The placeholders of a runner's `args`. */
import type { TurnRequest } from '../turn-request.ts';

const NAMES = [
  'Body',
  'SessionId',
  'SessionKey',
  'AgentId',
  'Model',
  'ThinkingLevel',
  'PromptFile',
  'Workspace',
  'IsNewSession',
  'RunId',
  'Channel',
  'Surface',
  'From',
] as const;

export type TemplateName = (typeof NAMES)[number];
export type TemplateValues = Partial<Record<TemplateName, string>>;

const PLACEHOLDER = /\{\{(\w+)\}\}/g;

function isTemplateName(name: string): name is TemplateName {
  return (NAMES as readonly string[]).includes(name);
}

/**
 * Fills every known `{{Name}}` of one argument in a single pass: a value that itself looks like a placeholder stays
 * what it is, because messages come from strangers. A known name without a value becomes '', an unknown one is left
 * as it stands, since it may be meant for the program.
 * NUL cannot be part of an argument, so it becomes U+FFFD.
 */
export function fillTemplate(text: string, values: TemplateValues): string {
  return text.replace(PLACEHOLDER, (whole, name: string) =>
    isTemplateName(name) ? (values[name] ?? '').replaceAll('\0', '\ufffd') : whole,
  );
}

/** Whether any of these arguments holds `{{name}}`. */
export function usesTemplate(args: readonly string[], name: TemplateName): boolean {
  return args.some(arg => arg.includes(`{{${name}}}`));
}

/**
 * The values for one turn.
 *
 * @param prompt what `{{Body}}` stands for: the text the program would otherwise read on stdin
 * @param promptFile absolute path of a file with the prompt; absent when no argument asks for it
 */
export function templateValues(request: TurnRequest, prompt: string, promptFile?: string): TemplateValues {
  return {
    Body: prompt,
    SessionId: request.sessionId,
    SessionKey: request.sessionKey,
    AgentId: request.agentId,
    Model: request.model,
    ThinkingLevel: request.thinkingLevel,
    PromptFile: promptFile,
    Workspace: request.workspace,
    IsNewSession: String(request.isNewSession),
    RunId: request.runId,
    Channel: request.origin.channel,
    Surface: request.origin.surface,
    From: request.origin.from,
  };
}
