import { describe, expect, it } from 'vitest';
import type { ConfigInput } from '../../src/config/schema.ts';
import type { Origin } from '../../src/core/session/session.ts';
import type { Desk } from '../../src/runner/desk.ts';
import { lastRouteOf, type Push, putProactive } from '../../src/runner/push.ts';
import { Layout } from '../../src/store/layout.ts';
import { newToken } from '../../src/store/lock.ts';
import { alreadySentTo, dropOutbox, listOutbox, markSent } from '../../src/store/outbox.ts';
import { saveRecord } from '../../src/store/sessions.ts';
import { record } from '../core/turn-facts.ts';
import { contextIn, scratch } from '../store/scratch.ts';

function desk(config: ConfigInput = {}): Desk {
  const home = scratch();
  const layout = new Layout(home);
  const zone = { name: 'UTC', isHost: false };
  return { context: contextIn(home), layout, config, zone, idRetention: 0, warn: () => undefined };
}

const to = (id: string): Origin => ({ channel: 'telegram', accountId: 'default', chatType: 'dm', to: id });
const push = (part: Partial<Push> = {}): Push => ({
  id: 'run-1',
  agentId: 'main',
  sessionKey: 'agent:main:cron:backup',
  sessionId: 's1',
  origin: to('1'),
  text: 'done',
  ...part,
});

function routed(at: Desk, lastRoute?: Origin): void {
  saveRecord(at.layout, record(lastRoute ? { lastRoute } : {}), newToken(at.context), { folder: true });
}

describe('something for who did not just write', () => {
  it('is queued where the lists let it through, once by its id', () => {
    const at = desk({ channels: { telegram: { allowFrom: ['1'] } } });
    expect(putProactive(at, push())).toMatchObject({ decision: 'queued', item: { state: 'waiting' } });
    expect(putProactive(at, push({ text: 'again' }))).toMatchObject({
      decision: 'queued',
      item: { text: 'done' },
    });
    expect(listOutbox(at.layout).items).toMatchObject([{ id: 'run-1', text: 'done', proactive: true }]);
  });

  it('is kept with the reason where they do not', () => {
    const at = desk({ channels: { telegram: { allowFrom: ['2'] } } });
    expect(putProactive(at, push())).toMatchObject({ decision: 'dead' });
    expect(listOutbox(at.layout).items).toMatchObject([
      { state: 'dead', text: 'done', reason: expect.stringContaining('channels.telegram.allowFrom') },
    ]);
  });

  it('is not even queued where the send policy holds it back (openclaw#53328)', () => {
    const at = desk({
      channels: { telegram: {} },
      session: { sendPolicy: { rules: [{ action: 'deny', match: { keyPrefix: 'cron:' } }] } },
    });
    expect(putProactive(at, push())).toEqual({ decision: 'denied', rule: 'session.sendPolicy.rules[0]' });
    expect(listOutbox(at.layout).items).toEqual([]);
  });

  it('may go to a channel that only somebody’s message tells of', () => {
    const at = desk();
    expect(putProactive(at, push())).toMatchObject({ decision: 'dead' });
    routed(at, to('7'));
    expect(putProactive(at, push({ id: 'run-2' }))).toMatchObject({ decision: 'queued' });
  });
});

describe('the place of "last"', () => {
  it('is that of the last message to the main session', () => {
    const at = desk();
    expect(lastRouteOf(at, 'main')).toBe(null);
    routed(at, to('7'));
    expect(lastRouteOf(at, 'main')).toEqual(to('7'));
    expect(lastRouteOf(at, 'other')).toBe(null);
  });

  it('is nowhere where that came from inside (openclaw#55271)', () => {
    const at = desk();
    routed(at, { channel: 'cli', accountId: 'default', chatType: 'dm' });
    expect(lastRouteOf(at, 'main')).toBe(null);
    routed(at, { channel: 'heartbeat', accountId: 'default', chatType: 'dm', to: 'heartbeat' });
    expect(lastRouteOf(at, 'main')).toBe(null);
  });
});

describe('what a run sent itself (openclaw#27018, #27921)', () => {
  const RUN = '00000000-0000-4000-8000-000000000001';
  const sent = (part: Partial<Push> = {}) => push({ id: `${RUN}-s-0123456789ab`, sentBy: RUN, ...part });

  it('is found by run and target while it waits and when it is sent, not when it failed or was dropped', () => {
    const at = desk({ channels: { telegram: {} } });
    const target = { channel: 'telegram', to: '1' };
    expect(alreadySentTo(at.layout, RUN, target)).toBe(null);
    const pushed = putProactive(at, sent());
    if (pushed.decision === 'denied') throw new Error(pushed.rule);
    expect(alreadySentTo(at.layout, RUN, target)).toMatchObject({ text: 'done' });
    expect(alreadySentTo(at.layout, RUN, { channel: 'telegram', to: '2' })).toBe(null);
    expect(alreadySentTo(at.layout, RUN, { channel: 'slack', to: '1' })).toBe(null);
    expect(alreadySentTo(at.layout, '00000000-0000-4000-8000-000000000002', target)).toBe(null);
    markSent(at.context, at.layout, pushed.item);
    expect(alreadySentTo(at.layout, RUN, target)).toMatchObject({ text: 'done' });

    const other = desk({ channels: { telegram: { allowFrom: [] } } });
    expect(putProactive(other, sent())).toMatchObject({ decision: 'dead' });
    expect(alreadySentTo(other.layout, RUN, target)).toBe(null);
    dropOutbox(other.layout, sent().id);
    expect(alreadySentTo(other.layout, RUN, target)).toBe(null);
  });

  it('is a group by its id', () => {
    const at = desk({ channels: { telegram: {} } });
    putProactive(
      at,
      sent({ origin: { channel: 'telegram', accountId: 'default', chatType: 'group', groupId: '-100' } }),
    );
    expect(alreadySentTo(at.layout, RUN, { channel: 'telegram', to: '-100' })).not.toBe(null);
    expect(alreadySentTo(at.layout, RUN, { channel: 'telegram', to: '-100', accountId: 'work' })).toBe(null);
  });
});
