import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { ClawError, EXIT } from '../core/errors.ts';
import {
  commandOf,
  directivesOf,
  type Incoming,
  isBare,
  isOwnersCommand,
  mayUseTrigger,
  originOf,
  triggerOf,
} from '../core/incoming.ts';
import { isOwner } from '../core/routing/access.ts';
import { identityOf, type Message } from '../core/routing/message.ts';
import type { Route } from '../core/routing/route.ts';
import type { ParsedText } from '../core/session/directive.ts';
import { type ResetReport, reportReset, resetType, resolveResetPolicy } from '../core/session/reset.ts';
import type { SettingsChange } from '../core/session/settings.ts';
import type { TriggerMatch } from '../core/session/trigger.ts';
import { judgeFreshness } from '../core/turn.ts';
import { senderOf } from '../runner/deliver.ts';
import type { Desk } from '../runner/desk.ts';
import { routeOf, sendVerdict, settingsOf } from '../runner/judge.ts';
import { findMessageId } from '../store/message-ids.ts';
import { loadRecord } from '../store/sessions.ts';
import { openDesk } from './desk.ts';
import { MessageCommand } from './message-options.ts';
import { printJson, printOut } from './output.ts';
import { visibleTo } from './sessions/visible.ts';
import { timeOption } from './time-option.ts';

/** The document of contract §3.2. */
export interface RouteReport extends Omit<Route, 'access'> {
  access: Route['access'];
  trigger: TriggerMatch | null;
  reset: ResetReport | null;
  /** settings given in the text, and the command it is */
  directives: DirectivesReport;
  body: string;
  delivery: { decision: 'sender' | 'stdout' | 'deny'; rule: string };
  action: 'run' | 'command' | 'record' | 'drop';
  duplicateOf: { sessionId: string; at: string } | null;
}

export class RouteCommand extends MessageCommand {
  static override paths = [['route']];
  static override usage = Command.Usage({
    description: 'Say where a message would go and why. Takes the same input as ingest and touches nothing.',
    examples: [
      ['Which session is this?', 'claw route --channel telegram --group -100123 --thread 7 hello --json'],
    ],
  });

  at = Option.String('--at', { description: 'answer as of this time (ISO 8601 or a duration such as +20m)' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context);
    const raws = await this.rawMessages(desk.config);
    const now = timeOption(this.at, desk);
    const reports = raws.map(raw => routeReport(desk, this.messageOf(raw(), desk.config), now));
    if (this.json) for (const report of reports) printJson(report);
    else for (const report of reports) printOut(describe(report));
    return EXIT.ok;
  }
}

/** Every verdict about one message, as of `now` (epoch ms). Reads only. */
export function routeReport(desk: Desk, message: Message, now: number): RouteReport {
  const { config, layout, context } = desk;
  const route = routeOf(desk, message);
  const identity = identityOf(message);
  const fromAgent = Boolean(context.env.CLAW_RUN_ID);
  const incoming: Incoming = {
    agentId: route.agentId,
    key: route.sessionKey,
    messageId: message.id ?? '',
    message,
    acceptedAt: now,
    via: 'stdout',
    respond: route.activation.respond,
    owner: !fromAgent && isOwner(message, config),
    fromAgent,
  };
  if (isOwnersCommand(config, incoming)) incoming.respond = true;
  const trigger = route.access.allowed ? triggerOf(config, incoming) : null;
  const parsed = route.access.allowed ? directivesOf(config, incoming) : null;
  // Whether somebody else's session exists, and what came to it, is not for the agent of another.
  const isSeen = visibleTo(desk)(route.agentId, route.sessionKey);
  const hit = identity && findMessageId(layout, identity, now, desk.idRetention);
  return {
    ...route,
    trigger,
    // What a conversation of somebody else is at is not an agent's to know.
    reset: visibleTo(desk)(route.agentId, route.sessionKey) ? resetReport(desk, incoming) : null,
    directives: directivesReport(parsed),
    body: parsed ? parsed.body : message.text,
    delivery: deliveryOf(desk, route, message),
    action: actionOf(route, incoming, trigger, config),
    duplicateOf: hit && isSeen ? { sessionId: hit.sessionId, at: new Date(hit.time).toISOString() } : null,
  };
}

/** What directives say in a text; only those present. */
interface DirectivesReport {
  settings?: SettingsChange;
  command?: string;
  refused?: string[];
}

function directivesReport(parsed: ParsedText | null): DirectivesReport {
  if (!parsed) return {};
  const { settings, command, refused } = parsed;
  return {
    ...(Object.keys(settings).length > 0 ? { settings } : {}),
    ...(command ? { command: command.name } : {}),
    ...(refused.length > 0 ? { refused } : {}),
  };
}

/** Whether a reply may go out, and which way. */
function deliveryOf(desk: Desk, { agentId, sessionKey }: Route, message: Message): RouteReport['delivery'] {
  const read = loadRecord(desk.layout, agentId, sessionKey);
  const own = settingsOf(desk, read.state === 'ok' ? read.record : null);
  const { decision, rule } = sendVerdict(desk, sessionKey, originOf(message), own);
  if (decision === 'deny') return { decision, rule };
  const key = `channels.${message.channel}.send`;
  return senderOf(desk.config, originOf(message))
    ? { decision: 'sender', rule: `${key} (when the caller is gone, or with --deliver)` }
    : { decision: 'stdout', rule: `${key} is not set` };
}

function actionOf(
  route: Route,
  incoming: Incoming,
  trigger: TriggerMatch | null,
  config: Desk['config'],
): RouteReport['action'] {
  if (!route.access.allowed) return 'drop';
  if (!incoming.respond) return 'record';
  const isAnswered = trigger
    ? !mayUseTrigger(config, incoming) || isBare(trigger, incoming)
    : commandOf(config, incoming) !== null;
  return isAnswered ? 'command' : 'run';
}

function resetReport(desk: Desk, incoming: Incoming): ResetReport | null {
  const read = loadRecord(desk.layout, incoming.agentId, incoming.key);
  if (read.state === 'unreadable') {
    throw new ClawError('data', 'state-unreadable', `${read.file}: ${read.reason}`, 'claw doctor --fix');
  }
  if (read.state === 'missing') return null;
  const { record } = read;
  const type = resetType({
    sessionKey: record.key,
    chatType: record.chatType,
    ...(incoming.message.threadId ? { threadId: incoming.message.threadId } : {}),
  });
  const policy = resolveResetPolicy({
    session: desk.config.session,
    type,
    channel: incoming.message.channel,
  });
  return reportReset(
    type,
    policy,
    desk.zone,
    judgeFreshness(desk.config, record, incoming.message, incoming.acceptedAt, desk.zone),
  );
}

function describeDirectives({ settings = {}, command, refused = [] }: DirectivesReport): string[] {
  const parts = [
    ...Object.entries(settings).map(([name, value]) => `${name} ${value ?? 'taken back'}`),
    ...(command ? [`/${command}`] : []),
    ...refused.map(name => `/${name} (not for this sender)`),
  ];
  return parts.length > 0 ? [`says      ${parts.join(', ')}`] : [];
}

function describe(report: RouteReport): string {
  const lines = [
    `agent     ${report.agentId} (${report.matchedBy})`,
    `session   ${report.sessionKey}`,
    `access    ${report.access.allowed ? 'allowed' : 'denied'} (${report.access.reason})${report.access.reason === 'pairing' ? ': a stranger; ingest would answer with a code' : ''}`,
    `respond   ${report.activation.respond ? 'yes' : 'no'} (${report.activation.mode})`,
    `action    ${report.action}${report.trigger ? ` (${report.trigger.trigger})` : ''}`,
    ...describeDirectives(report.directives),
    `delivery  ${report.delivery.decision} (${report.delivery.rule})`,
  ];
  if (report.reset)
    lines.push(
      `reset     ${report.reset.fresh ? 'fresh' : `stale (${report.reset.reason})`}, policy ${report.reset.policy.mode}`,
    );
  else lines.push('reset     the session does not exist yet');
  if (report.duplicateOf) lines.push(`duplicate of a message accepted ${report.duplicateOf.at}`);
  return `${lines.join('\n')}\n`;
}
