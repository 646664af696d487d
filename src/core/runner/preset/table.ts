/** Every preset by its name. Loaded only by who needs one. */
import type { Preset, PresetName } from '../preset.ts';
import { aider } from './aider.ts';
import { amp } from './amp.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import { copilot } from './copilot.ts';
import { cursorAgent } from './cursor-agent.ts';
import { gemini } from './gemini.ts';
import { goose } from './goose.ts';
import { llm } from './llm.ts';
import { ollama } from './ollama.ts';
import { opencode } from './opencode.ts';
import { pi } from './pi.ts';

export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  claude,
  codex,
  gemini,
  opencode,
  copilot,
  pi,
  goose,
  llm,
  ollama,
  aider,
  'cursor-agent': cursorAgent,
  amp,
};
