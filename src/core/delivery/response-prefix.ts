/** `messages.responsePrefix`: a few words before every reply, such as `[{model}]`. */
import type { ConfigInput } from '../../config/schema.ts';
import { agentEntry } from '../routing/binding.ts';

/** What a prefix can name. What is absent leaves its placeholder as it stands, so that a person sees what is missing. */
export interface PrefixValues {
  /** short name: `claude-opus-4-5` */
  model?: string | undefined;
  /** as configured: `anthropic/claude-opus-4-5-20251101` */
  modelFull?: string | undefined;
  provider?: string | undefined;
  thinkingLevel?: string | undefined;
  identityName?: string | undefined;
}

const NAMES: Readonly<Record<string, keyof PrefixValues>> = {
  model: 'model',
  modelfull: 'modelFull',
  provider: 'provider',
  thinkinglevel: 'thinkingLevel',
  think: 'thinkingLevel',
  'identity.name': 'identityName',
  identityname: 'identityName',
};

/** Fills `{name}` placeholders, whatever their case, in one pass. Unknown ones, and those without a value, stay. */
export function fillPrefix(template: string, values: PrefixValues): string {
  return template.replace(/\{([A-Za-z][A-Za-z.]*)\}/g, (whole, name: string) => {
    const known = name.toLowerCase();
    return (Object.hasOwn(NAMES, known) ? values[NAMES[known]!] : undefined) ?? whole;
  });
}

/** A model's name as people say it: without its provider, the date of its release (8 digits) and `-latest`. */
export function shortModel(model: string): string {
  return model.slice(model.lastIndexOf('/') + 1).replace(/-(?:\d{8}|latest)$/, '');
}

/**
 * The values of one turn.
 *
 * @param turn the model the turn ran with, such as `anthropic/claude-opus-4-5`, and its thinking level
 */
export function prefixValues(
  config: Pick<ConfigInput, 'agents'>,
  agentId: string,
  turn: { model?: string | undefined; thinkingLevel?: string | undefined },
): PrefixValues {
  const { model, thinkingLevel } = turn;
  const slash = model?.lastIndexOf('/') ?? -1;
  return {
    model: model === undefined ? undefined : shortModel(model),
    modelFull: model,
    provider: slash > 0 ? model?.slice(0, slash) : undefined,
    thinkingLevel,
    identityName: agentEntry(config, agentId)?.identity?.name?.trim() || undefined,
  };
}

/**
 * A reply as it is sent: the filled prefix, a space, the text. Nothing is put before an empty text, nor before one
 * that begins with the prefix already. The prefix `auto` is the agent's name in brackets, nothing where it has none.
 * For the reply alone: the transcript keeps what the agent said, or the agent learns to write the prefix itself.
 */
export function applyResponsePrefix(
  text: string,
  config: Pick<ConfigInput, 'messages'>,
  values: PrefixValues,
): string {
  const configured = config.messages?.responsePrefix?.trim() ?? '';
  const named = values.identityName === undefined ? '' : '[{identity.name}]';
  const prefix = fillPrefix(configured === 'auto' ? named : configured, values);
  return prefix === '' || text.trim() === '' || text.startsWith(prefix) ? text : `${prefix} ${text}`;
}
