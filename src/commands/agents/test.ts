import { Command, Option } from 'clipanion';
import { nearest } from '../../config/nearest.ts';
import type { Context } from '../../context.ts';
import { agentEntry, agentEnvironment, runnerName } from '../../core/agent.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { agentIds } from '../../core/routing/binding.ts';
import { normaliseAgentId } from '../../core/routing/slug.ts';
import { PRESET_NAMES } from '../../core/runner/preset.ts';
import type { Desk } from '../../runner/desk.ts';
import { lookAtProgram } from '../../runner/detect.ts';
import { keepsSession, runnerOf } from '../../runner/resolve.ts';
import { type Trial, tryOut } from '../../runner/try-out.ts';
import { ClawCommand } from '../base.ts';
import { countOption } from '../count-option.ts';
import { openDesk } from '../desk.ts';
import { printableLines } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { troubleOf } from './detect.ts';

export class AgentsTestCommand extends ClawCommand {
  static override paths = [['agents', 'test']];
  static override usage = Command.Usage({
    description:
      'Ask an agent for one word in a throw-away folder, and once more in the same conversation; say what came back. Exit 69 when it does not work. The agent itself may keep a record of the two turns.',
    examples: [
      ['A preset, as it is', 'claw agents test claude'],
      ['A runner of the config', 'claw agents test my-runner'],
    ],
  });

  name = Option.String({ name: 'NAME', required: true });
  model = Option.String('--model', { description: 'this model, whatever the config says' });
  timeout = Option.String('--timeout', { description: 'seconds each turn may take at most; default 120' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'agents test');
    const desk = await openDesk(context, { allNotes: false });
    const { runner: name, agentId } = meant(desk, this.name);
    const runner = await runnerOf(desk.config, name);
    if (runner === undefined)
      throw new ClawError(
        'usage',
        'no-program',
        `runner "${name}" is built in; there is nothing to test`,
        'claw agents detect',
      );
    const agent = agentEntry(desk.config, agentId);
    const { defaults } = desk.config.agents ?? {};
    const program = await lookAtProgram(runner.command, context.home, context.env);
    const model = this.model ?? agent?.model ?? defaults?.model;
    const timeoutSeconds = countOption('--timeout', this.timeout, 'agents test') ?? 120;
    const agentEnv = agentEnvironment(desk.config, agentId, runner);
    const found = 'problem' in program ? null : program;
    const trial =
      found === null ? null : await tryOut(desk, name, runner, { model, agentEnv, timeoutSeconds });
    const ok =
      trial !== null &&
      trial.first.status === 'replied' &&
      (trial.resumed?.status ?? 'replied') === 'replied';
    const result = {
      ok,
      runner: name,
      program: found?.file ?? null,
      version: found?.version ?? null,
      node: found?.node ?? null,
      problem: 'problem' in program ? program.problem : null,
      model: model ?? null,
      first: trial?.first ?? null,
      resumed: trial?.resumed ?? null,
      keepsSessions: keepsSession(runner),
      context: runner.context ?? 'claw',
    };
    if (this.json) printJson(result);
    else printOut(describe(result));
    return ok ? EXIT.ok : EXIT.unavailable;
  }
}

type Result = Parameters<typeof describe>[0];

function describe(result: {
  ok: boolean;
  runner: string;
  program: string | null;
  version: string | null;
  node: Parameters<typeof troubleOf>[0];
  problem: string | null;
  first: Trial | null;
  resumed: Trial | null;
  keepsSessions: boolean;
  context: 'claw' | 'native' | 'none';
}): string {
  const { runner, program, version, problem, first, resumed, keepsSessions } = result;
  if (first === null) return `${runner}: ${problem}\ntry: claw agents detect\n`;
  const lines = [
    `${runner}: ${program}, ${version ?? 'did not say its version'}${troubleOf(result.node)}`,
    `first turn   ${told(first)}`,
    keepsSessions
      ? `second turn  ${resumed ? told(resumed) : 'not tried'}`
      : `second turn  not needed: ${result.context === 'none' ? 'it is given the message alone' : 'claw sends the history'}`,
    ...[first, resumed].flatMap(trial => trial?.warnings ?? []).map(text => `note: ${text}`),
  ];
  const hint = first.error?.hint ?? resumed?.error?.hint;
  return `${printableLines([...lines, ...(hint ? [`try: ${hint}`] : [])].join('\n'))}\n${verdict(result)}\n`;
}

function verdict({ ok, resumed }: Pick<Result, 'ok' | 'resumed'>): string {
  if (!ok) return 'It does not work yet.';
  return resumed ? 'It works, and goes on where it was.' : 'It works.';
}

function told({ status, text, sessionId, usage, durationMs, error }: Trial): string {
  if (error !== null) return `failed (${error.code}): ${error.message}`;
  const counted =
    usage === null
      ? 'no tokens counted'
      : `${usage.inputTokens} tokens in, ${usage.outputTokens} out${usage.estimated ? ' (estimated)' : ''}`;
  const said = status === 'silent' ? 'nothing' : JSON.stringify((text ?? '').slice(0, 80));
  return `said ${said} in ${(durationMs / 1000).toFixed(1)} s; session ${sessionId ?? 'none'}; ${counted}`;
}

/** The runner that a word means: a runner, a preset, or the agent it answers for. */
function meant({ config }: Desk, word: string): { runner: string; agentId: string } {
  const ids = agentIds(config);
  const agentId = normaliseAgentId(word);
  const runners = [...Object.keys(config.runners ?? {}), ...PRESET_NAMES, 'recall'];
  const user = ids.find(id => runnerName(config, id) === word);
  if (runners.includes(word)) return { runner: word, agentId: user ?? ids[0]! };
  if (ids.includes(agentId)) return { runner: runnerName(config, agentId), agentId };
  const near = nearest(word, [...runners, ...ids]);
  throw new ClawError(
    'usage',
    'runner-unknown',
    `there is no runner or agent ${JSON.stringify(word)}${near === undefined ? '' : `; did you mean "${near}"?`}`,
    'claw agents detect',
  );
}
