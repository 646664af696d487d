/** What tests of jobs need: definitions as if written a while ago, their past, a channel whose sends are noted, later times. */
import fs from 'node:fs';
import path from 'node:path';
import { AGENTS, type Home, withRunner } from './claw.ts';
import { MINUTE } from './support.ts';

export const SECOND = 1000;

/** An instant so long ago (ms), as ISO 8601. */
export const before = (ms: number): string => new Date(Date.now() - ms).toISOString();

/**
 * Writes `cron/jobs.json` by hand, as if ten minutes ago: instants since then count, unless a tick has run meanwhile.
 *
 * @param ago ms
 */
export function putJobs(home: Home, jobs: object[], ago = 10 * MINUTE): void {
  const file = home.path('cron', 'jobs.json');
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  fs.writeFileSync(file, JSON.stringify({ version: 1, jobs }), { mode: 0o600 });
  const then = new Date(Date.now() - ago);
  fs.utimesSync(file, then, then);
}

/** The definitions as the file has them now. */
export function jobsIn(home: Home): any[] {
  return JSON.parse(fs.readFileSync(home.path('cron', 'jobs.json'), 'utf8')).jobs;
}

/** What a job is due with once, a minute ago. */
export const once = (id: string, rest: object = {}) => ({ id, at: before(MINUTE), ...rest });

/** Every hour; the instant before now was a minute ago. */
export const hourly = (id: string, rest: object = {}) => ({
  id,
  schedule: { kind: 'every', everyMs: 60 * MINUTE, anchorMs: Date.now() - MINUTE },
  ...rest,
});

export function runsOf(home: Home, id: string): any[] {
  return home.run(['cron', 'runs', id, '--json']).json().entries;
}

/** Environment of a claw whose clock is so far ahead (ms). */
export function later(ms: number): { env: Record<string, string> } {
  return {
    env: {
      NODE_OPTIONS: `--require ${path.join(AGENTS, '..', 'clock.cjs')}`,
      CLOCK_OFFSET_MS: String(ms),
    },
  };
}

/** A channel `telegram` whose sends are noted in a file: `<recipient>: <text>` and the idempotency key. */
export class Outlet {
  readonly file: string;

  constructor(home: Home) {
    this.file = path.join(home.folder, 'sent');
  }

  /** @param more fields of the channel */
  channel(more: object = {}): object {
    const script = 'echo "$CLAW_DELIVERY_ID $CLAW_TO: $(cat)" >> "$SENT"';
    return {
      telegram: {
        allowFrom: ['*'],
        send: { command: 'sh', args: ['-c', script], env: { SENT: this.file } },
        ...more,
      },
    };
  }

  /** Texts with their recipients, in the order they went out. */
  sent(): string[] {
    return this.lines().map(line => line.replace(/^\S* /, ''));
  }

  keys(): string[] {
    return this.lines().map(line => line.split(' ')[0]!);
  }

  private lines(): string[] {
    return fs.existsSync(this.file) ? fs.readFileSync(this.file, 'utf8').split('\n').filter(Boolean) : [];
  }
}

/** A home with a channel, an agent, and no heartbeats unless asked for. */
export function configure(home: Home, runner: object, rest: any = {}): Outlet {
  const outlet = new Outlet(home);
  const { agents = {}, channels = {}, ...others } = rest;
  const { agents: own, ...config } = withRunner(runner) as any;
  home.config({
    ...config,
    timezone: 'UTC',
    session: { reset: { mode: 'off' } },
    channels: { ...outlet.channel(), ...channels },
    ...others,
    agents: {
      ...own,
      ...agents,
      defaults: { ...own.defaults, heartbeat: { every: '0m' }, ...agents.defaults },
    },
  });
  return outlet;
}
