import type { TurnRequest } from '../../../src/core/turn-request.ts';

/** A turn of user anna with everything filled in; a test says only what it is about. */
export function turnRequest(part: Partial<TurnRequest> = {}): TurnRequest {
  return {
    runId: 'run-1',
    agentId: 'main',
    sessionKey: 'agent:main:main',
    sessionId: 'session-1',
    body: 'hello',
    history: [],
    origin: { channel: 'cli', accountId: 'default', chatType: 'dm', from: 'anna' },
    attachments: [],
    isNewSession: false,
    runnerName: 'test',
    env: {},
    workspace: '/workspace',
    transcript: '/sessions/session-1.jsonl',
    leaseFolder: '/lease',
    ...part,
  };
}
