/** The commands by the words a user types; each is loaded only when it runs. */
import { nearest } from '../config/nearest.ts';

export interface CommandEntry {
  /** words, e.g. `sessions list` */
  path: string;
  summary: string;
  load: () => Promise<unknown[]>;
}

export const COMMANDS: CommandEntry[] = [
  {
    path: 'ingest',
    summary: 'take a message, run the turn of its session, print the reply',
    load: async () => [(await import('./ingest.ts')).IngestCommand],
  },
  {
    path: 'route',
    summary: 'the same input, touching nothing: where it would go and why',
    load: async () => [(await import('./route.ts')).RouteCommand],
  },
  {
    path: 'sessions list',
    summary: 'sessions with ages and tokens',
    load: async () => [(await import('./sessions/list.ts')).SessionsListCommand],
  },
  {
    path: 'sessions show',
    summary: 'one session: record, reset policy and verdict, settings with their sources',
    load: async () => [(await import('./sessions/show.ts')).SessionsShowCommand],
  },
  {
    path: 'sessions history',
    summary: 'what was said in a session',
    load: async () => [(await import('./sessions/history.ts')).SessionsHistoryCommand],
  },
  {
    path: 'sessions patch',
    summary: 'settings of a session, also while a turn runs',
    load: async () => [(await import('./sessions/patch.ts')).SessionsPatchCommand],
  },
  {
    path: 'sessions send',
    summary: 'a message into another session',
    load: async () => [(await import('./sessions/send.ts')).SessionsSendCommand],
  },
  {
    path: 'sessions spawn',
    summary: 'a task for a sub-agent in its own session',
    load: async () => [(await import('./sessions/spawn.ts')).SessionsSpawnCommand],
  },
  {
    path: 'message send',
    summary: 'a message into a session, or out through a channel',
    load: async () => [(await import('./message/send.ts')).MessageSendCommand],
  },
  {
    path: 'sessions reset',
    summary: 'begin a session anew; its transcript is archived',
    load: async () => [(await import('./sessions/reset.ts')).SessionsResetCommand],
  },
  {
    path: 'sessions compact',
    summary: 'have the older turns of a session summarised; the transcript stays whole',
    load: async () => [(await import('./sessions/compact.ts')).SessionsCompactCommand],
  },
  {
    path: 'sessions resume',
    summary: 'put an archived transcript back under its key',
    load: async () => [(await import('./sessions/resume.ts')).SessionsResumeCommand],
  },
  {
    path: 'sessions delete',
    summary: 'delete a session, or one archived transcript',
    load: async () => [(await import('./sessions/delete.ts')).SessionsDeleteCommand],
  },
  {
    path: 'sessions cleanup',
    summary: 'remove what session.retention lets go; --dry-run lists it',
    load: async () => [(await import('./sessions/cleanup.ts')).SessionsCleanupCommand],
  },
  {
    path: 'sessions search',
    summary: 'find text in all transcripts, current and archived',
    load: async () => [(await import('./sessions/search.ts')).SessionsSearchCommand],
  },
  {
    path: 'sessions export',
    summary: 'a session as JSON, JSON lines, Markdown or a page; the store as one sessions.json',
    load: async () => [(await import('./sessions/export.ts')).SessionsExportCommand],
  },
  {
    path: 'memory add',
    summary: 'a dated note for an agent to keep',
    load: async () => [(await import('./memory/add.ts')).MemoryAddCommand],
  },
  {
    path: 'memory list',
    summary: 'the files of an agent that hold notes',
    load: async () => [(await import('./memory/list.ts')).MemoryListCommand],
  },
  {
    path: 'memory search',
    summary: 'find notes by their words, the best first',
    load: async () => [(await import('./memory/search.ts')).MemorySearchCommand],
  },
  {
    path: 'inbox list',
    summary: 'messages that wait or whose agent failed',
    load: async () => [(await import('./inbox/list.ts')).InboxListCommand],
  },
  {
    path: 'inbox retry',
    summary: 'try failed messages again',
    load: async () => [(await import('./inbox/retry.ts')).InboxRetryCommand],
  },
  {
    path: 'inbox drop',
    summary: 'remove messages from the inbox',
    load: async () => [(await import('./inbox/drop.ts')).InboxDropCommand],
  },
  {
    path: 'delivery list',
    summary: 'replies that wait to be sent',
    load: async () => [(await import('./delivery/list.ts')).DeliveryListCommand],
  },
  {
    path: 'delivery show',
    summary: 'one reply on its way out, in full',
    load: async () => [(await import('./delivery/show.ts')).DeliveryShowCommand],
  },
  {
    path: 'delivery retry',
    summary: 'send what has not gone out',
    load: async () => [(await import('./delivery/retry.ts')).DeliveryRetryCommand],
  },
  {
    path: 'delivery drop',
    summary: 'take replies out of the outbox',
    load: async () => [(await import('./delivery/drop.ts')).DeliveryDropCommand],
  },
  {
    path: 'call',
    summary: 'a method by its RPC name: the same as its command with --json',
    load: async () => [(await import('./call.ts')).CallCommand],
  },
  {
    path: 'cron add',
    summary: 'add a job: a schedule, and what is due then',
    load: async () => [(await import('./cron/add.ts')).CronAddCommand],
  },
  {
    path: 'cron list',
    summary: 'jobs with their next and last run',
    load: async () => [(await import('./cron/list.ts')).CronListCommand],
  },
  {
    path: 'cron show',
    summary: 'one job: definition, state, next instants',
    load: async () => [(await import('./cron/show.ts')).CronShowCommand],
  },
  {
    path: 'cron edit',
    summary: 'change a job',
    load: async () => [(await import('./cron/edit.ts')).CronEditCommand],
  },
  {
    path: 'cron enable',
    summary: 'switch a job on',
    load: async () => [(await import('./cron/enable.ts')).CronEnableCommand],
  },
  {
    path: 'cron disable',
    summary: 'switch a job off',
    load: async () => [(await import('./cron/disable.ts')).CronDisableCommand],
  },
  {
    path: 'cron remove',
    summary: 'remove a job; its runs stay recorded',
    load: async () => [(await import('./cron/remove.ts')).CronRemoveCommand],
  },
  {
    path: 'cron runs',
    summary: 'what became of the due instants of a job',
    load: async () => [(await import('./cron/runs.ts')).CronRunsCommand],
  },
  {
    path: 'cron status',
    summary: 'whether jobs run, what is next, what is late',
    load: async () => [(await import('./cron/status.ts')).CronStatusCommand],
  },
  {
    path: 'cron run',
    summary: 'run a job now',
    load: async () => [(await import('./cron/run.ts')).CronRunCommand],
  },
  {
    path: 'cron cancel',
    summary: 'end what runs of a job',
    load: async () => [(await import('./cron/cancel.ts')).CronCancelCommand],
  },
  {
    path: 'cron next',
    summary: 'when a schedule is due, without a job',
    load: async () => [(await import('./cron/next.ts')).CronNextCommand],
  },
  {
    path: 'heartbeat status',
    summary: 'per agent: on, or which key switched it off; last and next beat',
    load: async () => [(await import('./heartbeat/status.ts')).HeartbeatStatusCommand],
  },
  {
    path: 'heartbeat run',
    summary: 'one heartbeat now; the schedule stays as it is',
    load: async () => [(await import('./heartbeat/run.ts')).HeartbeatRunCommand],
  },
  {
    path: 'system event',
    summary: 'let an agent know of something: at once, or with its next turn or heartbeat',
    load: async () => [(await import('./system/event.ts')).SystemEventCommand],
  },
  {
    path: 'pairing list',
    summary: 'strangers who wait to be let in, with their codes',
    load: async () => [(await import('./pairing/list.ts')).PairingListCommand],
  },
  {
    path: 'pairing approve',
    summary: 'let a stranger in',
    load: async () => [(await import('./pairing/approve.ts')).PairingApproveCommand],
  },
  {
    path: 'pairing deny',
    summary: 'keep a stranger out, in silence',
    load: async () => [(await import('./pairing/deny.ts')).PairingDenyCommand],
  },
  {
    path: 'pairing revoke',
    summary: 'forget what was decided about somebody',
    load: async () => [(await import('./pairing/revoke.ts')).PairingRevokeCommand],
  },
  {
    path: 'config show',
    summary: 'the configuration; --effective with value and source per key',
    load: async () => [(await import('./config/show.ts')).ConfigShowCommand],
  },
  {
    path: 'config get',
    summary: 'the value that holds for one key',
    load: async () => [(await import('./config/get.ts')).ConfigGetCommand],
  },
  {
    path: 'config set',
    summary: 'change one key in the config file; --unset takes it out',
    load: async () => [(await import('./config/set.ts')).ConfigSetCommand],
  },
  {
    path: 'config migrate',
    summary: 'the canonical form of a config file in an older dialect',
    load: async () => [(await import('./config/migrate.ts')).ConfigMigrateCommand],
  },
  {
    path: 'config validate',
    summary: 'every problem of the config file in one report',
    load: async () => [(await import('./config/validate.ts')).ConfigValidateCommand],
  },
  {
    path: 'config schema',
    summary: 'the JSON Schema of the config file',
    load: async () => [(await import('./config/schema.ts')).ConfigSchemaCommand],
  },
  {
    path: 'commands',
    summary: 'what can be typed in a chat: native menu and text-only',
    load: async () => [(await import('./commands.ts')).CommandsCommand],
  },
  {
    path: 'agents list',
    summary: 'the configured agents, the runner and program of each',
    load: async () => [(await import('./agents/list.ts')).AgentsListCommand],
  },
  {
    path: 'agents detect',
    summary: 'which agent command lines are installed',
    load: async () => [(await import('./agents/detect.ts')).AgentsDetectCommand],
  },
  {
    path: 'agents test',
    summary: 'one harmless turn of an agent, and what came back',
    load: async () => [(await import('./agents/test.ts')).AgentsTestCommand],
  },
  {
    path: 'init',
    summary: 'create config and workspace, find installed agents',
    load: async () => [(await import('./init.ts')).InitCommand],
  },
  {
    path: 'import',
    summary: 'take over the state of warelay, Clawdis, Clawdbot, Moltbot or OpenClaw',
    load: async () => [(await import('./import.ts')).ImportCommand],
  },
  {
    path: 'status',
    summary: 'store, recent sessions, last tick, pending work',
    load: async () => [(await import('./status.ts')).StatusCommand],
  },
  {
    path: 'doctor',
    summary: 'what needs attention, with its remedy; --fix mends what it can',
    load: async () => [(await import('./doctor.ts')).DoctorCommand],
  },
  {
    path: 'logs',
    summary: 'what claw had to warn of; with --session what happened in a session; --follow',
    load: async () => [(await import('./logs.ts')).LogsCommand],
  },
  {
    path: 'completion',
    summary: 'completion script for bash, zsh or fish',
    load: async () => {
      const { CompletionCommand } = await import('./completion.ts');
      CompletionCommand.commands = COMMANDS;
      return [CompletionCommand];
    },
  },
  {
    path: 'tick',
    summary: 'finish what was left over; for an OS timer',
    load: async () => [(await import('./tick.ts')).TickCommand],
  },
  {
    path: 'timer install',
    summary: 'have claw tick called once a minute: systemd, launchd or cron',
    load: async () => [(await import('./timer/install.ts')).TimerInstallCommand],
  },
  {
    path: 'timer status',
    summary: 'whether the timer is there, runs, and holds paths that exist',
    load: async () => [(await import('./timer/status.ts')).TimerStatusCommand],
  },
  {
    path: 'timer uninstall',
    summary: 'stop the timer and remove what install made',
    load: async () => [(await import('./timer/uninstall.ts')).TimerUninstallCommand],
  },
];

export type Chosen =
  /** of one group of commands, or of all */
  | { kind: 'help'; group: string | null }
  | { kind: 'unknown'; name: string; nearest: string | undefined }
  | { kind: 'command'; path: string; argv: string[]; load: () => Promise<unknown[]> };

/** Spellings that mean the same command. */
function canonical(argv: string[]): string[] {
  const [first, second, ...rest] = argv;
  if (first === 'session' || first === 'sessions') {
    if (second === 'status') return ['sessions', 'show', ...rest];
    if (second === undefined || second.startsWith('-')) return ['sessions', 'list', ...argv.slice(1)];
    return ['sessions', ...argv.slice(1)];
  }
  if (first === 'cron' && second === 'create') return ['cron', 'add', ...rest];
  if (first === 'cron' && second === 'rm') return ['cron', 'remove', ...rest];
  return argv;
}

/** Which command these words mean. */
export function commandFor(typed: string[]): Chosen {
  if (typed.length === 0 || isHelp(typed[0])) return helpFor(typed.slice(1));
  // `claw sessions --help` is about the group, though `claw sessions` alone lists.
  const [first = '', second] = typed;
  const group = groupOf(first);
  if (group.length > 0 && second === 'help') return helpFor([first, ...typed.slice(2)]);
  if (
    group.length > 0 &&
    (second === undefined || second.startsWith('-')) &&
    beforeDashes(typed).some(isHelp)
  )
    return { kind: 'help', group: group[0]!.path.split(' ')[0]! };

  const argv = canonical(typed);
  const found = exact(argv);
  if (found) return { kind: 'command', path: found.path, argv, load: found.load };
  const words = argv.filter(word => !word.startsWith('-'));
  if (group.length > 0) {
    const name = words.slice(0, 2).join(' ');
    const near = nearest(
      words[1] ?? '',
      pathsOf(group).map(path => path.split(' ')[1]!),
    );
    return { kind: 'unknown', name, nearest: near ? `${words[0]} ${near}` : words[0] };
  }
  const name = words[0] ?? argv[0]!;
  return { kind: 'unknown', name, nearest: nearest(name, pathsOf(COMMANDS)) };
}

/** `claw help WORDS`: what `claw WORDS --help` says. */
function helpFor(words: string[]): Chosen {
  const asked = beforeDashes(words).filter(word => !word.startsWith('-'));
  if (asked.length === 0) return { kind: 'help', group: null };
  const group = groupOf(asked[0]!);
  if (group.length > 0 && asked.length === 1) return { kind: 'help', group: group[0]!.path.split(' ')[0]! };
  const found = exact(canonical(asked));
  return found
    ? {
        kind: 'command',
        path: found.path,
        argv: [...found.path.split(' '), ...(words.includes('--json') ? ['--json'] : []), '--help'],
        load: found.load,
      }
    : commandFor(asked);
}

function exact(argv: string[]): CommandEntry | undefined {
  return COMMANDS.find(({ path }) => path.split(' ').every((word, index) => argv[index] === word));
}

/** The commands that begin with this word and go on with another. */
function groupOf(word: string): CommandEntry[] {
  const name = word === 'session' ? 'sessions' : word;
  return COMMANDS.filter(({ path }) => path.startsWith(`${name} `));
}

function pathsOf(commands: CommandEntry[]): string[] {
  return commands.map(({ path }) => path);
}

function isHelp(word: string | undefined): boolean {
  return word === 'help' || word === '--help' || word === '-h';
}

/**
 * A command of a job that is given word by word begins at the word behind `--exec`, as if `--` stood before it: nothing
 * behind it is an option of claw's. A word with white space in it is a line for the shell, and options may follow.
 */
export function withCommandApart(argv: string[]): string[] {
  const isJob = argv.some(
    (word, index) => word === 'cron' && ['add', 'create', 'edit'].includes(argv[index + 1] ?? ''),
  );
  const at = isJob ? beforeDashes(argv).indexOf('--exec') : -1;
  const word = at < 0 ? undefined : argv[at + 1];
  if (word === undefined || word.startsWith('-') || /\s/.test(word)) return argv;
  return [...argv.slice(0, at + 1), '--', ...argv.slice(at + 1)];
}

/** What stands behind `--` is text, whatever it looks like. */
export function beforeDashes(argv: string[]): string[] {
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
}
