/**
 * The canonical configuration, one strict zod schema: every key, its meaning, its unit. Defaults live in `defaults.ts`
 * (a test holds the two together) so that a start without a config file never loads zod. Older dialects are
 * translated to this form by `dialects.ts` before this schema sees them; what this version reads without acting on it
 * is listed in `not-yet.ts`.
 */
import { z } from 'zod';
import { PRESET_NAMES } from '../core/runner/preset.ts';

const text = z.string().regex(/\S/, 'expected some text, not a blank');
const hour = z.number().int().min(0).max(23);
const minutes = z.number().positive();
const seconds = z.number().positive();
const count = z.number().int().positive();
const countOrNone = z.number().int().nonnegative();
const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a local time such as "04:00"');
const clockEnd = z
  .string()
  .regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'expected a local time such as "22:00" or "24:00"');
const duration = z
  .string()
  .regex(
    /^\+?\d+(\.\d+)?([mM][sS]|[smhdwSMHDW])$/,
    'expected a number with a unit (ms s m h d w), such as "30m"',
  );
const durationOrNone = z
  .string()
  .regex(
    /^\+?(0|\d+(\.\d+)?([mM][sS]|[smhdwSMHDW]))$/,
    'expected a number with a unit (ms s m h d w), such as "30m"',
  );
const variables = z.record(z.string(), z.string());

/** One reset policy; every field may be absent, precedence and defaults are decided in core/session/reset.ts. */
export const resetPolicySchema = z.strictObject({
  mode: z.enum(['daily', 'idle', 'off']).optional().describe('daily (default), idle, or off'),
  atHour: hour.optional().describe('local hour of the daily reset, 0 to 23; default 4'),
  at: clockTime.optional().describe('local time of the daily reset with minutes, "HH:MM"; wins over atHour'),
  idleMinutes: minutes.optional().describe('minutes without a user message after which the session is stale'),
  tz: text.optional().describe('IANA zone of the daily reset; default: timezone, else the host zone'),
});

const resetSchema = resetPolicySchema.extend({
  preserveSettings: z
    .boolean()
    .optional()
    .describe('keep model, thinking level … over a reset; default true'),
  notifyUser: z
    .boolean()
    .optional()
    .describe('say so with the next reply when a session was reset; default true'),
});

const bindingMatchSchema = z.strictObject({
  channel: text.describe('channel the rule is about'),
  accountId: text.optional().describe('account; absent = the default account, "*" = any'),
  peer: z
    .strictObject({
      kind: text.describe('dm, group or channel'),
      id: text.describe('id of the person, group or room'),
    })
    .optional()
    .describe('dm, group or channel with this id'),
  guildId: text.optional().describe('server (Discord) the message comes from'),
  teamId: text.optional().describe('workspace (Slack, Teams) the message comes from'),
});

const bindingSchema = z.strictObject({
  agentId: text.describe('agent that answers'),
  match: bindingMatchSchema.describe('what a message must have; every field that is set must match'),
});

const placeSchema = z.union([
  z.string(),
  z.strictObject({
    at: z.string().describe('dot path; * stands for every key or index, -1 for the last'),
    when: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
      .optional()
      .describe('only in a document or line that has these values at these dot paths'),
  }),
]);
/** A place in the output, or several: the first that has something, for numbers their sum. */
const placesSchema = z.union([placeSchema, z.array(placeSchema)]);

const pickSchema = z.strictObject({
  text: placesSchema.optional().describe('dot path of the reply text in the parsed output'),
  pieces: z
    .boolean()
    .optional()
    .describe('of jsonl: texts that follow each other without a tool call between them are one reply'),
  error: placesSchema.optional().describe('dot path whose truthy value means the run failed'),
  sessionId: placesSchema.optional().describe('dot path of the session id of the agent CLI'),
  inputTokens: placesSchema.optional().describe('dot path of the tokens read'),
  outputTokens: placesSchema.optional().describe('dot path of the tokens written'),
  costUsd: placesSchema.optional().describe('dot path of the cost in US dollars'),
  contextTokens: placesSchema
    .optional()
    .describe(
      'dot path of the tokens that the newest call of the model read and wrote: the size of its context',
    ),
  compactedFrom: placesSchema
    .optional()
    .describe('dot path of the tokens of a native session before the program compacted it'),
  compactedTo: placesSchema.optional().describe('dot path of the tokens it had afterwards'),
  delta: placesSchema.optional().describe('of jsonl: dot path of a piece of the reply as it comes'),
  toolCall: placesSchema.optional().describe('of jsonl: dot path of the name of a tool that is called'),
  thinking: placesSchema.optional().describe('of jsonl: dot path of what the model thinks'),
});

const signSchema = z
  .array(z.union([text, z.number().int().nonnegative()]))
  .describe('texts in what a failed run printed (case does not count), or exit statuses');

const argsSchema = z.array(z.union([z.string(), z.array(z.string())]));

/** How an agent's command is started. The command is run directly, never through a shell. */
export const runnerSchema = z.strictObject({
  preset: z
    .enum(PRESET_NAMES)
    .optional()
    .describe('a known agent command line; every other key changes what its preset says'),
  command: text.optional().describe('program to run; of a preset: another file than the usual one'),
  args: argsSchema
    .optional()
    .describe(
      'arguments; {{Model}}, {{PromptFile}} … are filled in; a list among them, such as ["--model", "{{Model}}"], is left out where one of its values is empty',
    ),
  resumeArgs: argsSchema
    .optional()
    .describe(
      'of context native: arguments that go on with the session {{NativeSessionId}} of the agent CLI',
    ),
  asideArgs: argsSchema
    .optional()
    .describe('of context native: arguments of a run beside the conversation, whose session is thrown away'),
  expands: z
    .strictObject({
      commands: z
        .array(text)
        .optional()
        .describe('beginnings of a prompt that the program takes for its own commands, such as /'),
      files: z.boolean().optional().describe('it reads files named behind @ before its model is asked'),
    })
    .optional()
    .describe('what the program makes of a prompt by itself; claw takes that away from what people write'),
  compactPrompt: text
    .optional()
    .describe(
      'of context native: what the program is sent to compact its own session, with what shall be kept in mind behind it; without this key claw summarises and begins a new session with that',
    ),
  moreArgs: z.array(z.string()).optional().describe('arguments added to those of a preset'),
  permissions: z
    .enum(['safe', 'edit', 'full'])
    .optional()
    .describe(
      'of a preset, what its agent may do unasked: safe (what it is without a word here) reads, edit also changes files of the workspace, full does everything',
    ),
  defaultModel: text.optional().describe('{{Model}} where no model is set'),
  thinkingLevels: z
    .record(z.string(), z.string())
    .optional()
    .describe('what the program calls a thinking level, where it has another name for it'),
  env: variables.optional().describe('environment added to the allow-list'),
  input: z.enum(['text', 'json']).optional().describe('what the program reads on stdin; default text'),
  output: z.enum(['text', 'json', 'jsonl']).optional().describe('what it prints; default text'),
  context: z
    .enum(['claw', 'native', 'none'])
    .optional()
    .describe(
      'claw: the history is sent along (default); native: the program keeps its own; none: the message alone',
    ),
  pick: pickSchema.optional().describe('where text, error and usage are in json or jsonl output'),
  usage: z
    .enum(['run', 'cumulative', 'steps'])
    .optional()
    .describe('reported tokens are of the run, of the whole native session, or of each line of jsonl'),
  costs: z
    .enum(['run', 'cumulative', 'steps'])
    .optional()
    .describe('the same of reported costs, where they differ from the tokens'),
  signs: z
    .strictObject({
      unknownSession: signSchema.optional().describe('the native session is gone'),
      contextOverflow: signSchema.optional().describe('the conversation is too long for the model'),
      auth: signSchema.optional().describe('the program is not logged in'),
      failed: z
        .array(text)
        .optional()
        .describe('beginnings of lines of a reply that is an error all the same, whatever the exit status'),
    })
    .optional()
    .describe('how a failed run shows what is wrong'),
  onOtherSession: z
    .enum(['follow', 'reseed'])
    .optional()
    .describe(
      'a resumed run reports another session id: go on with that one, or begin anew with the history (as without this key)',
    ),
  contextTokens: count
    .optional()
    .describe('window of its model in tokens, for agents that say nothing themselves'),
  modelBound: z.boolean().optional().describe('a native session cannot go on with another model'),
  timeoutSeconds: seconds.optional().describe('longest run; default 600'),
  idleTimeoutSeconds: z
    .number()
    .nonnegative()
    .optional()
    .describe('longest silence on its output; default 120, 0 = no limit'),
  killGraceSeconds: z
    .number()
    .nonnegative()
    .optional()
    .describe('time between SIGTERM and SIGKILL; default 5'),
  keepChildren: z
    .boolean()
    .optional()
    .describe(
      'true: a run that is ended or fails ends the program alone, and what it started lives on until its turn is begun once more; default false',
    ),
  maxOutputBytes: count.optional().describe('most output kept; default 16 MiB'),
  silentTokens: z.array(text).optional().describe('whole replies that mean "say nothing"; default NO_REPLY'),
});

/** A secret setting: in the config, in a variable, or in a file of its own. */
const secret = (what: string) => ({
  here: text.optional().describe(`${what}; better kept out of this file`),
  env: text.optional().describe('environment variable that holds it'),
  file: text.optional().describe('file (mode 0600) that holds it'),
});
const token = secret('the token');
const tokenFields = { token: token.here, tokenEnv: token.env, tokenFile: token.file };
const sendingTime = seconds.optional().describe('longest time one request may take; default 60');
const apiUrl = text.optional().describe('base address of the API; https, or http to this machine');
const quotes = z.boolean().optional().describe('show the message that is answered above the reply');
const webhookAddress = secret('address that takes the JSON document');
const signature = secret('key that signs requests as Standard Webhooks has it');
const discordWebhook = secret('address of the webhook of one channel, instead of a token');

const senderSchema = z.union([
  z.literal('none'),
  // Which kinds go together is a matter of the rules: they can say it in words.
  z.strictObject({
    command: text.optional().describe('program that sends one reply; the text comes on stdin'),
    args: z
      .array(z.string())
      .optional()
      .describe('arguments of the command; {{To}}, {{AccountId}} … are filled in'),
    env: variables.optional().describe('environment of the command, added to the allow-list'),
    timeoutSeconds: seconds.optional().describe('longest time the command may take; default 60'),
    file: text.optional().describe('file that gets one line of JSON per reply'),
    webhook: z
      .strictObject({
        url: webhookAddress.here,
        urlEnv: webhookAddress.env,
        urlFile: webhookAddress.file,
        headers: variables.optional().describe('more headers of the request'),
        headersEnv: variables.optional().describe('header → environment variable that holds its value'),
        secret: signature.here,
        secretEnv: signature.env,
        secretFile: signature.file,
        timeoutSeconds: sendingTime,
      })
      .optional()
      .describe('an address that is posted one JSON document per reply'),
    telegram: z
      .strictObject({ ...tokenFields, apiUrl, replyTo: quotes, timeoutSeconds: sendingTime })
      .optional()
      .describe('a Telegram bot'),
    slack: z
      .strictObject({ ...tokenFields, apiUrl, timeoutSeconds: sendingTime })
      .optional()
      .describe('a Slack app with the scope chat:write'),
    discord: z
      .strictObject({
        ...tokenFields,
        webhookUrl: discordWebhook.here,
        webhookUrlEnv: discordWebhook.env,
        webhookUrlFile: discordWebhook.file,
        apiUrl,
        replyTo: quotes,
        timeoutSeconds: sendingTime,
      })
      .optional()
      .describe('a Discord bot, or the webhook of one channel'),
    ntfy: z
      .strictObject({
        url: text.optional().describe('server; default https://ntfy.sh'),
        topic: z
          .string()
          .regex(/^[-_A-Za-z0-9]{1,64}$/, 'expected letters, digits, "-" and "_", at most 64')
          .describe('topic that is posted to, whoever wrote'),
        ...tokenFields,
        title: text.optional().describe('title of the notifications'),
        priority: z
          .union([z.number().int().min(1).max(5), z.enum(['min', 'low', 'default', 'high', 'urgent', 'max'])])
          .optional()
          .describe('1 to 5, or its name'),
        timeoutSeconds: sendingTime,
      })
      .optional()
      .describe('push notifications through an ntfy server'),
  }),
]);

const activation = z.enum(['mention', 'always']);

const dmSchema = z.strictObject({
  historyLimit: countOrNone
    .optional()
    .describe('user turns of history for this person; 0 = no limit; wins over dmHistoryLimit'),
});

const groupSchema = z.strictObject({
  activation: activation.optional().describe('answer when mentioned, or always; default mention'),
  allowFrom: z.array(z.string()).optional().describe('ids that are answered in this group; "*" = anyone'),
  enabled: z.boolean().optional().describe('false: nothing of this group is taken'),
});

const channelHeartbeatSchema = z.strictObject({
  showOk: z.boolean().optional().describe('deliver heartbeats that found nothing; default false'),
  showAlerts: z.boolean().optional().describe('deliver heartbeats that found something; default true'),
  useIndicator: z.boolean().optional().describe('show that a heartbeat is running; default true'),
});

const channelFields = {
  dmPolicy: z
    .enum(['open', 'allowlist', 'pairing', 'disabled'])
    .optional()
    .describe('who may write in private; unset: allowlist where allowFrom is set, else open'),
  allowFrom: z.array(z.string()).optional().describe('ids that may write; "*" = anyone'),
  groupPolicy: z
    .enum(['open', 'allowlist', 'disabled'])
    .optional()
    .describe('which groups are answered; default open'),
  groups: z.record(z.string(), groupSchema).optional().describe('settings per group id; "*" = all others'),
  send: senderSchema.optional().describe('how replies go out: one kind of sender, or "none"'),
  heartbeat: channelHeartbeatSchema.optional().describe('which heartbeats are delivered here'),
};
const channelSchema = z.strictObject({
  ...channelFields,
  historyLimit: countOrNone
    .optional()
    .describe('unanswered group messages given along as context; wins over messages.groupChat.historyLimit'),
  dmHistoryLimit: countOrNone
    .optional()
    .describe(
      'user turns of history in private chats of this channel; 0 = no limit; wins over session.dmHistoryLimit',
    ),
  dms: z.record(z.string(), dmSchema).optional().describe('settings per person, by id in any case'),
  pairing: z
    .strictObject({
      expires: duration.optional().describe('how long a code can be approved; default 1h'),
      maxPending: countOrNone
        .optional()
        .describe('most strangers that wait for approval; 0 = none; default 3'),
    })
    .optional()
    .describe('codes for strangers, where dmPolicy is pairing'),
  defaultAccount: text.optional().describe('account meant when a message names none; default "default"'),
  accounts: z
    .record(z.string(), z.strictObject(channelFields))
    .optional()
    .describe('the same settings per account id'),
});

const heartbeatSchema = z.strictObject({
  enabled: z.boolean().optional().describe('false = off'),
  every: durationOrNone.optional().describe('time between heartbeats; default 30m, "0m" = off'),
  target: text.optional().describe('where alerts go: last (default), none, or a channel'),
  to: text.optional().describe('recipient on that channel'),
  prompt: text.optional().describe('what the agent is asked'),
  model: text.optional().describe('model of heartbeats'),
  activeHours: z
    .strictObject({
      start: clockTime.describe('local time from which heartbeats run'),
      end: clockEnd.describe('local time before which they run; earlier than start: over midnight'),
      timezone: text.optional().describe('IANA zone; default: timezone, else the host zone'),
    })
    .optional()
    .describe('hours in which heartbeats run; default: all'),
  ackMaxChars: countOrNone
    .optional()
    .describe('most text beside HEARTBEAT_OK that is still no alert; default 300'),
  session: text.optional().describe('session key heartbeats run in; default: the main session'),
});

const compactionSchema = z.strictObject({
  mode: z
    .enum(['auto', 'manual', 'prune'])
    .optional()
    .describe('auto (default), by hand, or drop without a summary'),
  keepRecentTurns: count.optional().describe('newest turns kept as they are; default 10'),
  summaryMaxTokens: count.optional().describe('largest summary; default 4000'),
  adaptiveChunking: z.boolean().optional().describe('split what is summarised by size; default true'),
  reserveTokensFloor: countOrNone
    .optional()
    .describe(
      'least room kept free for system prompt, tools and answer, in tokens; default 20000, and at most a quarter of the window',
    ),
  chunkSizeTarget: count.optional().describe('size of a piece to be summarised, in tokens'),
  modelMaxOutputTokens: count.optional().describe('longest answer of the model, in tokens'),
  memoryFlush: z
    .strictObject({
      enabled: z.boolean().optional().describe('save memory before compacting; default true'),
      softThresholdTokens: countOrNone
        .optional()
        .describe(
          'how long before the limit memory is saved, in tokens; default 4000, and at most a fifth of the room',
        ),
      prompt: text.optional().describe('what the agent is asked'),
      systemPrompt: text.optional().describe('system prompt of that turn'),
    })
    .optional()
    .describe('the silent turn that saves memory first'),
});

const memorySchema = z.strictObject({
  enabled: z.boolean().optional().describe('notes go along with turns, and recall quotes them; default true'),
  store: z
    .literal('local')
    .optional()
    .describe('where notes are kept; only local, Markdown in the workspace'),
  retrieveCount: countOrNone.optional().describe('notes that go along with a turn; default 5'),
});

const agentFields = {
  runner: text.optional().describe('name of a runner; "recall" and the presets need no entry under runners'),
  model: text.optional().describe('model the runner is told to use'),
  systemPrompt: text.optional().describe('what the agent is told about itself and its task in every session'),
  modelFallbacks: z.array(text).optional().describe('models asked one after the other when a run has failed'),
  thinkingLevel: z
    .enum(['off', 'minimal', 'low', 'medium', 'high', 'xhigh'])
    .optional()
    .describe('how much the model thinks before it answers'),
  verboseLevel: z.enum(['on', 'off']).optional().describe('whether tool output is shown'),
  elevated: z
    .enum(['on', 'off', 'ask', 'full'])
    .optional()
    .describe('passed to the runner; gives no rights by itself'),
  ttsMode: z
    .enum(['off', 'always', 'inbound', 'tagged'])
    .optional()
    .describe('speech output; passed to the runner'),
  replyPolicy: z
    .enum(['skip', 'announce', 'reply'])
    .optional()
    .describe('how the answer of a sub-agent or of another session comes back'),
  announceChannel: text.optional().describe('where such answers are announced'),
  workspace: text.optional().describe('working directory of the agent'),
  contextTokens: count
    .optional()
    .describe('context window of the model in tokens; default: of the runner, else 200000'),
  timeoutSeconds: seconds.optional().describe('longest run; default: what the runner says, else 600'),
  env: variables.optional().describe('environment of this agent, added to that of its runner'),
  heartbeat: heartbeatSchema.optional().describe('periodic wake-ups'),
  compaction: compactionSchema.optional().describe('what happens when the context is full'),
  memory: memorySchema.optional().describe('long-term memory of this agent'),
};

const agentEntrySchema = z.strictObject({
  id: text.describe('letters, digits, "-" and "_"; part of session keys and folder names'),
  default: z.boolean().optional().describe('answers what no binding matches; default: the first of the list'),
  name: z.string().optional().describe('name for people'),
  identity: z
    .strictObject({
      name: z.string().optional().describe('name it is mentioned by'),
      emoji: z.string().optional().describe('emoji it is mentioned by'),
    })
    .optional()
    .describe('how people address this agent'),
  groupChat: z
    .strictObject({
      activation: activation.optional().describe('answer when mentioned, or always'),
      mentionPatterns: z.array(z.string()).optional().describe('regular expressions that mention this agent'),
    })
    .optional()
    .describe('replaces messages.groupChat for this agent'),
  ...agentFields,
});

const sendPolicySchema = z.strictObject({
  default: z.enum(['allow', 'deny']).optional().describe('when no rule matches; default allow'),
  rules: z
    .array(
      z.strictObject({
        action: z.enum(['allow', 'deny']).describe('any matching deny wins'),
        match: z
          .strictObject({
            channel: text.optional().describe('channel of the session'),
            chatType: text.optional().describe('dm, group, channel or thread'),
            keyPrefix: text.optional().describe('beginning of the session key'),
          })
          .optional()
          .describe('what the session must be; absent: any'),
      }),
    )
    .optional()
    .describe('which sessions may be sent to'),
});

const sessionSchema = z.strictObject({
  scope: z
    .enum(['per-sender', 'global'])
    .optional()
    .describe('global: one session per agent; default per-sender'),
  dmScope: z
    .enum(['main', 'per-peer', 'per-channel-peer', 'per-account-channel-peer'])
    .optional()
    .describe('which private messages share a session; main (default): all of them'),
  mainKey: text.optional().describe('name of the main session; default main'),
  identityLinks: z
    .union([
      z.record(z.string(), z.array(z.string())),
      z.array(
        z.strictObject({
          ids: z.array(z.string()).min(1).describe('channel-prefixed ids of one person'),
          sharedSession: z.boolean().optional().describe('false: the link joins nothing; default true'),
        }),
      ),
    ])
    .optional()
    .describe('ids of one person: a map of name to ids such as "telegram:1", or a list of {ids}'),
  reset: resetSchema.optional().describe('when sessions begin anew'),
  resetByType: z
    .strictObject({
      dm: resetPolicySchema.optional().describe('private messages, and all that is neither group nor thread'),
      group: resetPolicySchema.optional().describe('groups and rooms'),
      thread: resetPolicySchema.optional().describe('threads and topics'),
    })
    .optional()
    .describe('merged over reset, field by field'),
  resetByChannel: z
    .record(z.string(), resetPolicySchema)
    .optional()
    .describe('per channel; replaces reset, resetByType and idleMinutes'),
  resetTriggers: z
    .array(text)
    .optional()
    .describe('messages that begin a new session, beside /new and /reset'),
  resetBy: z.enum(['anyone', 'owner']).optional().describe('who may reset by message; default anyone'),
  idleMinutes: minutes.optional().describe('older form: alone it means an idle reset and nothing else'),
  maxTranscriptBytes: count
    .optional()
    .describe('the next message begins a session anew whose transcript is larger; default: no limit'),
  sendPolicy: sendPolicySchema.optional().describe('where replies are held back'),
  dmHistoryLimit: countOrNone
    .optional()
    .describe('user turns of history sent to a stateless runner; default 50'),
  dmHistoryLimitByChannel: z.record(z.string(), countOrNone).optional().describe('the same per channel'),
  agentToAgent: z
    .strictObject({
      enabled: z.boolean().optional().describe('true: agents may send to the agents in allow; default false'),
      allow: z.array(text).optional().describe('ids of the agents that may be sent to; default: none'),
      maxHops: count.optional().describe('longest chain of such messages; default 5'),
      maxPerDay: count
        .optional()
        .describe('most such messages of one agent to another one in a day of the user; default: no limit'),
    })
    .optional()
    .describe('messages from one agent to sessions of another'),
  maxMessages: count.optional().describe('most messages of history; default: no limit'),
  maxTokens: count.optional().describe('most tokens of history; default: no limit'),
  retention: z
    .strictObject({
      archived: duration.optional().describe('how long archived transcripts are kept; default: for ever'),
      keep: count.optional().describe('newest archived transcripts kept per session key; default: all'),
      torn: duration.optional().describe('how long torn ends of transcripts are kept; default: for ever'),
    })
    .optional()
    .describe('what is removed after a time'),
});

const messagesSchema = z.strictObject({
  queue: z
    .strictObject({
      mode: z
        .enum(['collect', 'followup', 'interrupt'])
        .optional()
        .describe(
          'messages that wait become one next turn (collect, default), one each, or end the running one',
        ),
      debounceMs: countOrNone.optional().describe('quiet time before a turn starts, in ms; default 0'),
      cap: count.optional().describe('most messages that wait; default 20'),
      drop: z.enum(['old', 'new', 'summarize']).optional().describe('which go when there are more'),
    })
    .optional()
    .describe('messages that come while a turn runs'),
  responsePrefix: z.string().optional().describe('text before every reply'),
  groupChat: z
    .strictObject({
      activation: activation.optional().describe('answer in groups when mentioned (default), or always'),
      mentionPatterns: z
        .array(z.string())
        .optional()
        .describe('regular expressions that mention the assistant'),
      historyLimit: countOrNone
        .optional()
        .describe('unmentioned messages kept as context for the next answered one; 0 = none; default 50'),
    })
    .optional()
    .describe('when the assistant answers in groups'),
  inlineDirectives: z
    .enum(['turn', 'sticky'])
    .optional()
    .describe('directives inside text: for that message (default), or until the next reset'),
  maxBytes: count.optional().describe('largest text of one message; default 4 MiB'),
});

const cronSchema = z.strictObject({
  enabled: z.boolean().optional().describe('false: no job runs; default true'),
  maxConcurrentRuns: count.optional().describe('runs at a time per agent; default 4'),
  catchUp: z.enum(['skip', 'once', 'all']).optional().describe('what happens to missed runs; default once'),
  grace: duration.optional().describe('how late a missed run may start; default half the period, 2m to 12h'),
  retry: z
    .strictObject({
      attempts: countOrNone.optional().describe('further tries of a failed run'),
      delay: duration.optional().describe('wait before the first of them'),
      maxDelay: duration.optional().describe('longest wait'),
    })
    .optional()
    .describe('failed runs'),
  alert: z
    .strictObject({
      after: count.optional().describe('failures in a row before somebody is told'),
      cooldown: duration.optional().describe('time between two alerts'),
      channel: text.optional().describe('where the alert goes'),
      to: text.optional().describe('recipient on that channel'),
    })
    .optional()
    .describe('who hears of failures'),
  disableAfter: countOrNone.optional().describe('failures in a row that disable a job; 0: never'),
  retention: z
    .strictObject({
      keep: count.optional().describe('most run records per job'),
      maxAge: duration.optional().describe('age of the oldest'),
    })
    .optional()
    .describe('run records'),
});

export const configSchema = z.strictObject({
  $schema: z.string().optional().describe('for editors'),
  timezone: text.optional().describe('IANA zone of the user; default: the host zone'),
  agents: z
    .strictObject({
      defaults: z
        .strictObject(agentFields)
        .optional()
        .describe('settings of every agent that has none of its own'),
      list: z.array(agentEntrySchema).optional().describe('the agents; default: one, "main"'),
    })
    .optional()
    .describe('who answers'),
  bindings: z
    .array(bindingSchema)
    .optional()
    .describe('which agent answers which message; the most specific rule wins'),
  owners: z.array(z.string()).optional().describe('channel-prefixed ids with owner rights'),
  models: z.record(z.string(), text).optional().describe('aliases: short name → provider/model'),
  session: sessionSchema.optional().describe('which messages share a session, and for how long'),
  channels: z.record(z.string(), channelSchema).optional().describe('access and delivery per channel'),
  messages: messagesSchema.optional().describe('how messages are taken and answered'),
  commands: z
    .strictObject({
      text: z.boolean().optional().describe('false: commands inside messages are text; default true'),
      disabled: z.array(text).optional().describe('commands that are not offered'),
    })
    .optional()
    .describe('chat commands'),
  cron: cronSchema.optional().describe('scheduled jobs'),
  runners: z.record(z.string(), runnerSchema).optional().describe('how the commands of agents are started'),
  memory: memorySchema.optional().describe('long-term memory'),
  logging: z
    .strictObject({
      level: z
        .enum(['error', 'warn', 'info', 'debug'])
        .optional()
        .describe('least important kind that is logged'),
      file: text.optional().describe('log file'),
    })
    .optional()
    .describe('the log'),
  store: text.optional().describe('path of an older session store, for `claw import`'),
  retention: z
    .strictObject({
      messageIds: duration.optional().describe('how long message ids are remembered; default 90d'),
      deliveries: duration.optional().describe('how long records of sent replies are kept; default 30d'),
      logs: duration
        .optional()
        .describe(
          'age at which a log file is begun anew, and the one before removed; default: by size alone',
        ),
    })
    .optional()
    .describe('what is removed after a time'),
});

/** The configuration as written (canonical form, nothing filled in). */
export type ConfigInput = z.infer<typeof configSchema>;
export type ResetPolicyInput = z.infer<typeof resetPolicySchema>;
/** A runner as the config has it. */
export type RunnerInput = z.infer<typeof runnerSchema>;
/** A runner that can be started: its preset filled in. */
export type RunnerConfig = RunnerInput & { command: string; login?: string };
/** A place, or places, in the output of a runner. */
export type Places = z.infer<typeof placesSchema>;
export type BindingInput = z.infer<typeof bindingSchema>;
export type ChannelConfig = z.infer<typeof channelSchema>;
export type SenderConfig = z.infer<typeof senderSchema>;
export type Sender = Exclude<SenderConfig, 'none'>;

/** The configuration as JSON Schema (draft 2020-12), for editors and `claw config schema`. */
export function jsonSchema(): z.core.JSONSchema.JSONSchema {
  return { title: 'claw configuration', ...z.toJSONSchema(configSchema, { io: 'input' }) };
}
