import fs from 'node:fs';
import path from 'node:path';
import { Command } from 'clipanion';
import { loadConfig } from '../config/load.ts';
import type { Context } from '../context.ts';
import { runnerName } from '../core/agent.ts';
import { ClawError, EXIT } from '../core/errors.ts';
import { defaultAgentId } from '../core/routing/binding.ts';
import { probeVersion } from '../runner/probe.ts';
import { Layout } from '../store/layout.ts';
import { ClawCommand } from './base.ts';
import { configOptions } from './desk.ts';
import { requireOperator } from './operator.ts';
import { printJson, printOut } from './output.ts';

/** Agent command lines people have, and how each takes one prompt on stdin and prints one reply. */
const KNOWN_AGENTS: {
  name: string;
  program: string;
  args: (string | string[])[];
  output: 'text' | 'json' | 'jsonl';
  pick?: string;
}[] = [
  {
    name: 'claude',
    program: 'claude',
    args: ['-p', '--output-format', 'json', '--no-session-persistence', ['--model', '{{Model}}']],
    output: 'json',
  },
  {
    name: 'codex',
    program: 'codex',
    args: [
      'exec',
      '--ephemeral',
      '--skip-git-repo-check',
      '--json',
      ['-m', '{{Model}}'],
      ['-c', 'model_reasoning_effort={{ThinkingLevel}}'],
      '-',
    ],
    output: 'jsonl',
    pick: 'item.text',
  },
  {
    name: 'gemini',
    program: 'gemini',
    args: ['--skip-trust', '-o', 'json', ['-m', '{{Model}}']],
    output: 'json',
  },
  {
    name: 'opencode',
    program: 'opencode',
    args: ['run', '--format', 'json', ['-m', '{{Model}}']],
    output: 'jsonl',
    pick: 'part.text',
  },
  { name: 'llm', program: 'llm', args: ['--no-stream', '-n', ['-m', '{{Model}}']], output: 'text' },
  { name: 'goose', program: 'goose', args: ['run', '-q', '--no-session', '-i', '-'], output: 'text' },
  {
    name: 'ollama',
    program: 'ollama',
    args: ['run', 'llama3.2', '--nowordwrap', '--hidethinking'],
    output: 'text',
  },
  { name: 'pi', program: 'pi', args: ['-p', '--no-session', ['--model', '{{Model}}']], output: 'text' },
];

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
    const installed = KNOWN_AGENTS.flatMap(agent => {
      const file = onPath(context.env.PATH, agent.program);
      return file ? [{ ...agent, file }] : [];
    });
    const env = { PATH: context.env.PATH ?? '', HOME: context.env.HOME ?? '' };
    const found = await Promise.all(
      installed.map(async agent => ({ ...agent, version: await probeVersion(agent.file, env) })),
    );
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

function onPath(pathList: string | undefined, program: string): string | null {
  for (const folder of (pathList ?? '').split(path.delimiter)) {
    if (folder === '' || !path.isAbsolute(folder)) continue;
    const file = path.join(folder, program);
    try {
      fs.accessSync(file, fs.constants.X_OK);
      if (fs.statSync(file).isFile()) return file;
    } catch {
      // Not here; the next folder may have it.
    }
  }
  return null;
}

function configText(found: string[]): string {
  const runners = KNOWN_AGENTS.map(({ name, program, args, output, pick }) => {
    const parts = [
      `command: ${JSON.stringify(program)}`,
      `args: ${JSON.stringify(args)}`,
      `output: ${JSON.stringify(output)}`,
    ];
    if (pick) parts.push(`pick: { text: ${JSON.stringify(pick)} }`);
    const line = `    ${name}: { ${parts.join(', ')} },`;
    return found.includes(name) ? line : line.replace(/^ {4}/, '    // ');
  });
  return `// Configuration of claw (JSON5). Every key: claw config schema. Check it: claw config validate
{
  agents: {
    defaults: {
      // "recall" needs no model: it answers from the session's own history. A runner from below makes it an assistant.
      runner: "recall",
    },
  },

  // How an agent's command is started: the conversation so far and the message come on its stdin.
  // A list in args is left out where no model (or thinking level) is set.
  // Those that were found on this machine are active, the others are commented out.
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
  found: { name: string; file: string; version: string | null }[],
  { runner, isClosed }: Standing,
): string {
  const agents =
    found.length > 0
      ? found
          .map(
            ({ name, file, version }) =>
              `  ${name.padEnd(9)} ${file}  ${version ?? '(did not say its version)'}`,
          )
          .join('\n')
      : '  none found on the PATH';
  const first = found[0]?.name;
  const isSet = runner !== undefined && runner !== 'recall';
  const advice = isSet
    ? 'claw doctor'
    : first
      ? `claw config set agents.defaults.runner ${first}`
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
