import fs from 'node:fs';
import { Command } from 'clipanion';
import type { Context } from '../context.ts';
import { EXIT } from '../core/errors.ts';
import type { Desk } from '../runner/desk.ts';
import { planTick } from '../runner/tick.ts';
import { listOutbox } from '../store/outbox.ts';
import { ClawCommand } from './base.ts';
import { openDesk } from './desk.ts';
import { age } from './format.ts';
import { inboxRows } from './inbox/list.ts';
import { printJson, printOut } from './output.ts';
import { sessionRows } from './sessions/rows.ts';

export class StatusCommand extends ClawCommand {
  static override paths = [['status']];
  static override usage = Command.Usage({
    description: 'Where the store is, the newest sessions, the last tick, and what is pending.',
  });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const { document, problems } = statusOf(desk);
    if (this.json) printJson(document);
    else printOut(describe(document));
    for (const { file, reason } of problems)
      this.warn(`${file}: ${reason}; it is left in place (claw doctor --fix)`);
    return problems.length > 0 ? EXIT.attention : EXIT.ok;
  }
}

function statusOf(desk: Desk) {
  const now = desk.context.now();
  const { rows, problems, total } = sessionRows(desk, {}, now);
  const inbox = inboxRows(desk);
  const stamp = fs.statSync(desk.layout.tickStamp(), { throwIfNoEntry: false });
  const document = {
    home: desk.layout.home,
    configFile: fs.existsSync(desk.context.configFile) ? desk.context.configFile : null,
    path: desk.layout.agents(),
    sessions: total,
    recent: rows.slice(0, 5).map(row => ({ key: row.key, ageMs: row.ageMs, sessionId: row.sessionId })),
    lastTick: stamp
      ? { at: new Date(stamp.mtimeMs).toISOString(), ageMs: Math.max(0, now - Math.round(stamp.mtimeMs)) }
      : null,
    pending: {
      sessions: planTick(desk).sessions.length,
      waiting: inbox.rows.filter(row => row.state === 'waiting').length,
      failed: inbox.rows.filter(row => row.state === 'failed' || row.state === 'interrupted').length,
      deliveries: listOutbox(desk.layout).items.length,
    },
    problems: [...problems, ...inbox.problems],
  };
  return { document, problems: document.problems };
}

function describe(status: ReturnType<typeof statusOf>['document']): string {
  const { pending } = status;
  const lines = [
    `store     ${status.path}`,
    `config    ${status.configFile ?? 'none (built-in defaults; claw init writes one)'}`,
    `sessions  ${status.sessions}`,
    ...status.recent.map(row => `  ${row.key}  ${age(row.ageMs)} ago`),
    `last tick ${status.lastTick ? `${age(status.lastTick.ageMs)} ago` : 'never'}`,
    `pending   ${pending.sessions} sessions, ${pending.waiting} waiting messages, ${pending.failed} failed, ${pending.deliveries} undelivered replies`,
  ];
  if (pending.sessions > 0) lines.push('          try: claw tick');
  if (pending.failed > 0) lines.push('          try: claw inbox list');
  if (pending.deliveries > 0) lines.push('          try: claw delivery list');
  return `${lines.join('\n')}\n`;
}
