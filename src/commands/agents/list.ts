import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import { agentEntry, runnerName } from '../../core/agent.ts';
import { EXIT } from '../../core/errors.ts';
import { agentIds, defaultAgentId } from '../../core/routing/binding.ts';
import { presetOf } from '../../core/runner/preset.ts';
import type { Desk } from '../../runner/desk.ts';
import { findProgram } from '../../runner/exec.ts';
import { workspaceOf } from '../../runner/judge.ts';
import { runnerOf } from '../../runner/resolve.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { table } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';

export class AgentsListCommand extends ClawCommand {
  static override paths = [['agents', 'list']];
  static override usage = Command.Usage({
    description:
      'The configured agents: which runner answers for each, its program, what it may do, where it works.',
    examples: [['All agents', 'claw agents list']],
  });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'agents list');
    const desk = await openDesk(context, { anyConfig: true });
    const agents = await Promise.all(agentIds(desk.config).map(agentId => rowOf(desk, agentId)));
    if (this.json) printJson({ agents });
    else {
      const rows = agents.map(row => [
        row.default ? `${row.agentId} (default)` : row.agentId,
        row.runner,
        row.program ?? (row.runner === 'recall' ? 'built in' : 'not found'),
        row.model ?? '-',
        row.permissions ?? '-',
        row.context ?? '-',
      ]);
      printOut(table(['AGENT', 'RUNNER', 'PROGRAM', 'MODEL', 'PERMISSIONS', 'CONTEXT'], rows));
    }
    return EXIT.ok;
  }
}

async function rowOf(desk: Desk, agentId: string) {
  const { config } = desk;
  const name = runnerName(config, agentId);
  const runner = await runnerOf(config, name);
  const workspace = workspaceOf(desk, agentId);
  const found = runner ? findProgram(runner.command, workspace, desk.context.env.PATH) : null;
  const preset = name === 'recall' ? undefined : presetOf(name, config.runners?.[name]);
  return {
    agentId,
    default: agentId === defaultAgentId(config),
    runner: name,
    preset: preset ?? null,
    program: found && 'file' in found ? found.file : null,
    model: agentEntry(config, agentId)?.model ?? config.agents?.defaults?.model ?? null,
    permissions: preset ? (runner?.permissions ?? 'safe') : null,
    context: runner ? (runner.context ?? 'claw') : null,
    workspace,
  };
}
