import fs from 'node:fs';
import path from 'node:path';
import { Command } from 'clipanion';
import { loadConfig } from '../config/load.ts';
import type { Context } from '../context.ts';
import { runnerName } from '../core/agent.ts';
import { ClawError, EXIT } from '../core/errors.ts';
import { defaultAgentId } from '../core/routing/binding.ts';
import { PRESET_NAMES } from '../core/runner/preset.ts';
import { detectAgents } from '../runner/detect.ts';
import { Layout } from '../store/layout.ts';
import { troubleOf } from './agents/detect.ts';
import { ClawCommand } from './base.ts';
import { configOptions } from './desk.ts';
import { requireOperator } from './operator.ts';
import { printJson, printOut } from './output.ts';

export class InitCommand extends ClawCommand {
  static override paths = [['init']];
  static override usage = Command.Usage({
    description:
      'Create the config and the workspace, find installed agent command lines, say what to do next. Never overwrites.',
    examples: [['Once, on a new machine', 'claw init']],
  });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'init');
    const layout = new Layout(context.home);
    const workspace = layout.workspace('main');
    const found = await detectAgents(context.env, context.home);
    const created: string[] = [];
    const kept: string[] = [];
    try {
      fs.mkdirSync(workspace, { recursive: true, mode: 0o700 });
      fs.chmodSync(context.home, 0o700);
      await createFile(context.configFile, configText(found.map(agent => agent.name)), created, kept);
    } catch (error) {
      throw new ClawError(
        'cannotCreate',
        'cannot-create',
        `cannot set up ${context.home}: ${(error as Error).message}`,
        'check the folder, or set CLAW_HOME',
      );
    }
    if (this.json) {
      printJson({
        home: context.home,
        configFile: context.configFile,
        workspace,
        created,
        kept,
        agents: found.map(({ name, file, version }) => ({ name, path: file, version })),
      });
    } else {
      printOut(describe(context, workspace, created, found, await standing(context)));
    }
    return EXIT.ok;
  }
}

/** Writes a file only where there is none, whatever happens between the look and the write. */
async function createFile(file: string, text: string, created: string[], kept: string[]): Promise<void> {
  if (fs.existsSync(file)) {
    kept.push(file);
    return;
  }
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const { default: writeFileAtomic } = await import('write-file-atomic');
  await writeFileAtomic(file, text, { mode: 0o600 });
  created.push(file);
}

function configText(found: string[]): string {
  const runners = PRESET_NAMES.map(name => {
    const key = /^\w+$/.test(name) ? name : JSON.stringify(name);
    return `    ${found.includes(name) ? '' : '// '}${key}: { preset: ${JSON.stringify(name)}, permissions: "safe" },`;
  });
  return `// Configuration of claw (JSON5). Every key: claw config schema. Check it: claw config validate
{
  agents: {
    defaults: {
      // "recall" needs no model: it answers from the session's own history. A runner from below makes it an assistant.
      runner: "recall",
    },
  },

  // How an agent's command is started. permissions: what it may do without being asked, since nobody is there to ask:
  // safe reads, edit also changes files in its workspace, full does everything. Keys for its model go into env: { … }.
  // Those that were found on this machine are active, the others are commented out. Try one: claw agents test NAME
  runners: {
${runners.join('\n')}
  },

  session: {
    // Who shares a session in private chats: main (all of them), per-peer, per-channel-peer, per-account-channel-peer.
    dmScope: "main",
    reset: { mode: "daily", atHour: 4 },
  },

  // Who may write, per channel. Without an entry anybody whose messages you pipe in is answered.
  channels: {
    // telegram: { dmPolicy: "allowlist", allowFrom: ["123456789"] },
  },
}
`;
}

/** What the config that is there already decides. */
interface Standing {
  runner?: string;
  /** at least one channel says who may write */
  isClosed: boolean;
}

async function standing(context: Context): Promise<Standing> {
  try {
    const { config } = await loadConfig(configOptions(context));
    const isClosed = Object.values(config.channels ?? {}).some(
      channel => channel.dmPolicy !== undefined || channel.allowFrom !== undefined,
    );
    return { runner: runnerName(config, defaultAgentId(config)), isClosed };
  } catch {
    // A config that cannot be used is for claw doctor to explain; init has left it as it is.
    return { isClosed: false };
  }
}

function describe(
  context: Context,
  workspace: string,
  created: string[],
  found: Awaited<ReturnType<typeof detectAgents>>,
  { runner, isClosed }: Standing,
): string {
  const agents =
    found.length > 0
      ? found
          .map(
            ({ name, file, version, node }) =>
              `  ${name.padEnd(12)} ${file}  ${version ?? '(did not say its version)'}${troubleOf(node)}`,
          )
          .join('\n')
      : '  none found on the PATH';
  const first = found[0]?.name;
  const isSet = runner !== undefined && runner !== 'recall';
  const advice = isSet
    ? 'claw doctor'
    : first
      ? `claw agents test ${first}\n  claw config set agents.defaults.runner ${first}`
      : `install an agent command line, or describe your own under runners in ${context.configFile}`;
  return `${created.length > 0 ? `Created ${created.join(', ')}` : `Kept ${context.configFile} as it is`}
Workspace ${workspace}

Agent command lines known to claw on this machine
${agents}${isSet ? `\nYour agents use the runner "${runner}".` : ''}

${
  isClosed
    ? 'Who can talk to it: what channels in your config says; claw route tells it of one message, claw doctor what is open.'
    : `Who can talk to it: anybody whose messages you pipe into claw ingest. Before you connect a chat to a runner that has
tools, set channels.<name>.allowFrom (private chats) and groupPolicy (groups: allowlist or disabled).`
}

Next
  echo "Remember: the spare key is with Ada" | claw ingest
  echo "Where is the spare key?" | claw ingest
  ${advice}
`;
}
