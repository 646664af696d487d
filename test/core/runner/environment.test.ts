import { expect, test } from 'vitest';
import { runnerEnvironment } from '../../../src/core/runner/environment.ts';
import { turnRequest } from './turn-request.ts';

const base = {
  PATH: '/bin',
  HOME: '/home/anna',
  LANG: 'C.UTF-8',
  LC_ALL: 'C',
  TZ: 'UTC',
  TERM: 'dumb',
  USER: 'anna',
  SHELL: '/bin/sh',
  XDG_RUNTIME_DIR: '/run/user/1',
};

test('P07 hermes-agent#108121: nothing but the allow-list and what is configured gets through', () => {
  const environment = runnerEnvironment({
    base: {
      ...base,
      SECRET: 's',
      AWS_TOKEN: 't',
      CLAW_CRON_JOB: 'nightly',
      CLAW_RUN_ID: 'outer',
      NODE_OPTIONS: '-r x',
      UNSET: undefined,
    },
    request: turnRequest({ env: { AGENT: 'a' }, runner: { command: 'x', env: { RUNNER: 'r' } } }),
    origin: 'user',
  });
  expect(environment).toEqual({
    ...base,
    AGENT: 'a',
    RUNNER: 'r',
    CLAW_AGENT_ID: 'main',
    CLAW_SESSION_KEY: 'agent:main:main',
    CLAW_SESSION_ID: 'session-1',
    CLAW_TRANSCRIPT: '/sessions/session-1.jsonl',
    CLAW_RUN_ID: 'run-1',
    CLAW_ORIGIN: 'user',
  });
});

test('the agent wins over its runner, the runner over the base, and claw over all of them', () => {
  const environment = runnerEnvironment({
    base: { PATH: '/base', TZ: 'UTC' },
    request: turnRequest({
      env: { PATH: '/agent', CLAW_RUN_ID: 'forged' },
      runner: { command: 'x', env: { PATH: '/runner', TZ: 'Asia/Tokyo' } },
    }),
    origin: 'cron',
    home: '/claw',
    configFile: '/claw/claw.json',
  });
  expect(environment).toMatchObject({
    PATH: '/agent',
    TZ: 'Asia/Tokyo',
    CLAW_RUN_ID: 'run-1',
    CLAW_ORIGIN: 'cron',
    CLAW_HOME: '/claw',
    CLAW_CONFIG: '/claw/claw.json',
  });
});

test('NUL in a value does not stop the start', () => {
  const request = turnRequest({ sessionKey: 'agent:main:a\0b' });
  expect(runnerEnvironment({ base: {}, request, origin: 'user' }).CLAW_SESSION_KEY).toBe(
    'agent:main:a\ufffdb',
  );
});
