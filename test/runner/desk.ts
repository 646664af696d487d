/** A desk in a home of its own, with a clock that is moved by hand and an agent that says what a test wants. */
import fs from 'node:fs';
import path from 'node:path';
import type { ConfigInput } from '../../src/config/schema.ts';
import type { Zone } from '../../src/core/schedule/zone.ts';
import type { SessionRecord } from '../../src/core/session/session.ts';
import type { Desk } from '../../src/runner/desk.ts';
import { Layout } from '../../src/store/layout.ts';
import { contextIn, scratch } from '../store/scratch.ts';

export interface TestDesk {
  desk: Desk;
  warnings: string[];
  /** moves the clock to an instant, epoch ms */
  at(now: number): void;
  /** what the agent answers from now on; a number: the status it exits with */
  says(answer: string | number): void;
  /** what it was asked so far */
  prompts(): string[];
  heartbeatFile(text: string): void;
  /** a session with nothing in it but its header */
  session(part?: Partial<SessionRecord>): SessionRecord;
  transcript(record: SessionRecord): string;
  config: ConfigInput;
}

/** @param config runners and the default runner are filled in */
export function testDesk(
  config: ConfigInput,
  now: number,
  zone: Zone = { name: 'UTC', isHost: false },
): TestDesk {
  const home = scratch();
  const layout = new Layout(home);
  const answer = path.join(home, 'answer');
  const prompts = path.join(home, 'prompts');
  const script = `cat >> '${prompts}'; printf '\\036' >> '${prompts}'; . '${answer}'`;
  const warnings: string[] = [];
  let clock = now;
  const whole: ConfigInput = {
    ...config,
    agents: { ...config.agents, defaults: { runner: 'agent', ...config.agents?.defaults } },
    runners: { agent: { command: '/bin/sh', args: ['-c', script] } },
  };
  const desk: Desk = {
    context: contextIn(home, { now: () => clock, env: { PATH: process.env.PATH } }),
    layout,
    config: whole,
    zone,
    idRetention: 90 * 24 * 3_600_000,
    warn: text => warnings.push(text),
  };
  return {
    desk,
    warnings,
    config: whole,
    at: time => {
      clock = time;
    },
    says: said => {
      const quoted = String(said).replaceAll("'", "'\\''");
      fs.writeFileSync(answer, typeof said === 'number' ? `exit ${said}` : `printf %s '${quoted}'`);
    },
    prompts: () =>
      fs.existsSync(prompts) ? fs.readFileSync(prompts, 'utf8').split('\u001e').slice(0, -1) : [],
    heartbeatFile: text => {
      fs.mkdirSync(layout.workspace('main'), { recursive: true });
      fs.writeFileSync(path.join(layout.workspace('main'), 'HEARTBEAT.md'), text);
    },
    session: part => {
      const key = part?.key ?? 'agent:main:main';
      const started = part?.startedAt ?? now;
      const header = {
        type: 'session',
        version: 1,
        id: 'sid',
        sessionKey: key,
        agentId: 'main',
        timestamp: started,
      };
      const line = `${JSON.stringify(header)}\n`;
      const record: SessionRecord = {
        version: 1,
        key,
        agentId: 'main',
        sessionId: 'sid',
        createdAt: started,
        startedAt: started,
        updatedAt: started,
        bytes: line.length,
        chatType: 'dm',
        channel: 'telegram',
        messageCount: 0,
        ...part,
      };
      fs.mkdirSync(layout.records('main'), { recursive: true });
      fs.writeFileSync(layout.record('main', key), JSON.stringify(record));
      fs.writeFileSync(layout.transcript('main', 'sid'), line);
      return record;
    },
    transcript: ({ sessionId }) => fs.readFileSync(layout.transcript('main', sessionId), 'utf8'),
  };
}
