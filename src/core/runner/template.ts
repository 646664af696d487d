/** The placeholders of a runner's `args`. */
import type { TurnRequest } from '../turn-request.ts';

export type TemplateName =
  | 'Body'
  | 'SessionId'
  | 'SessionKey'
  | 'AgentId'
  | 'Model'
  | 'ThinkingLevel'
  | 'PromptFile'
  | 'NativeSessionId'
  | 'SystemPrompt'
  | 'SystemPromptFile'
  | 'SystemPromptJson'
  | 'UsageFile'
  | 'Workspace'
  | 'IsNewSession'
  | 'RunId'
  | 'Channel'
  | 'Surface'
  | 'From';

export type TemplateValues = Partial<Record<TemplateName, string>>;

const PLACEHOLDER = /\{\{\s*(\w+)\s*\}\}/g;

/**
 * Fills every `{{Name}}` of one argument in a single pass: a value that itself looks like a placeholder stays what it
 * is, because messages come from strangers. Names are taken as they are written, spaces inside the braces aside. What
 * has no value of its own, or one that is no text, number or yes and no, becomes ''.
 * NUL cannot be part of an argument, so it becomes U+FFFD.
 */
export function fillTemplate(text: string, values: Readonly<Record<string, unknown>>): string {
  return text.replace(PLACEHOLDER, (_, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    const isScalar = ['string', 'number', 'boolean'].includes(typeof value);
    return isScalar ? String(value).replaceAll('\0', '\ufffd') : '';
  });
}

/** A runner's `args`: an argument, or several that stand and go together, such as `["--model", "{{Model}}"]`. */
export type ArgumentTemplate = string | readonly string[];

/**
 * Fills all arguments. A group is left out whole when a placeholder in it has no value: `--model` without a model would
 * be a mistake for most programs, and take the next word for one.
 */
export function fillArguments(
  template: readonly ArgumentTemplate[],
  values: Readonly<Record<string, unknown>>,
): string[] {
  return template.flatMap(part => {
    if (typeof part === 'string') return [fillTemplate(part, values)];
    const names = part.flatMap(arg => [...arg.matchAll(PLACEHOLDER)].map(([placeholder]) => placeholder));
    const lacks = names.some(placeholder => fillTemplate(placeholder, values) === '');
    return lacks ? [] : part.map(arg => fillTemplate(arg, values));
  });
}

/** Whether any of these arguments holds `{{name}}`. */
export function usesTemplate(args: readonly ArgumentTemplate[], name: TemplateName): boolean {
  return args.flat().some(arg => [...arg.matchAll(PLACEHOLDER)].some(match => match[1] === name));
}

/** Files made for one run; each is there when an argument asks for it. */
export interface RunFiles {
  /** absolute paths */
  PromptFile?: string;
  SystemPromptFile?: string;
  UsageFile?: string;
}

/**
 * The values for one turn.
 *
 * @param prompt what `{{Body}}` stands for: the text the program would otherwise read on stdin
 */
export function templateValues(request: TurnRequest, prompt: string, files: RunFiles = {}): TemplateValues {
  const { runner, thinkingLevel, systemPrompt } = request;
  return {
    Body: prompt,
    SessionId: request.sessionId,
    SessionKey: request.sessionKey,
    AgentId: request.agentId,
    Model: request.model ?? runner?.defaultModel,
    ThinkingLevel:
      thinkingLevel === undefined ? undefined : (runner?.thinkingLevels?.[thinkingLevel] ?? thinkingLevel),
    ...files,
    NativeSessionId: request.native?.id,
    SystemPrompt: systemPrompt,
    SystemPromptJson: systemPrompt === undefined ? undefined : JSON.stringify(systemPrompt),
    Workspace: request.workspace,
    IsNewSession: String(request.isNewSession),
    RunId: request.runId,
    Channel: request.origin.channel,
    Surface: request.origin.surface,
    From: request.origin.from,
  };
}
