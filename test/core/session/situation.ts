/** A situation for tests of answers: a fresh session of the local user, with whatever a test says otherwise. */
import { UTC } from '../../../src/core/schedule/zone.ts';
import type { Situation } from '../../../src/core/session/command.ts';
import { resolveSettings } from '../../../src/core/session/settings.ts';

export function situation(facts: Partial<Situation> = {}): Situation {
  return {
    version: '1.2.3',
    now: Date.parse('2026-01-15T12:00:00Z'),
    zone: UTC,
    key: 'agent:main:main',
    sessionId: '0d0c1f6e-7a51-4d3c-9a7b-5a3c2f1e0b9d',
    agentId: 'main',
    runner: 'recall',
    settings: resolveSettings({}, 'main', {}),
    fallback: resolveSettings({}, 'main', {}),
    tokens: null,
    window: 200_000,
    messageCount: 0,
    compactions: 0,
    reset: null,
    runningSince: null,
    waiting: 0,
    channel: 'cli',
    from: null,
    fromName: null,
    owner: true,
    chatType: 'dm',
    surface: null,
    send: { decision: 'allow', rule: 'default' },
    models: { aliases: {}, models: [] },
    disabled: [],
    context: null,
    turns: null,
    stopped: null,
    compacted: null,
    ...facts,
  };
}
