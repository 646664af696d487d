import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/schema.ts';
import type { Message } from '../../src/core/routing/message.ts';
import { Layout } from '../../src/store/layout.ts';
import { tryLock } from '../../src/store/lock.ts';
import {
  askToPair,
  type Door,
  decidePairing,
  forgetPairing,
  listPairings,
  pairedFor,
  pairedIds,
} from '../../src/store/pairings.ts';
import { contextIn, names, scratch } from './scratch.ts';

const NOON = Date.parse('2026-11-21T12:00:00Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function door(channel: object = {}) {
  const home = scratch();
  const clock = { now: NOON };
  const context = contextIn(home, { now: () => clock.now });
  const warnings: string[] = [];
  const config = { channels: { x: { dmPolicy: 'pairing', ...channel } } } as ConfigInput;
  const it: Door = { context, layout: new Layout(home), config, warn: text => warnings.push(text) };
  const message = (from: string, text = 'hello'): Message => ({
    channel: 'x',
    accountId: 'default',
    chatType: 'dm',
    from,
    text,
  });
  return {
    ...it,
    clock,
    warnings,
    message,
    ask: (from: string, text?: string) => askToPair(it, message(from, text)),
    rows: () => listPairings(it.layout, clock.now).rows,
    waiting: () => names(`${it.layout.pairing('x', 'default')}/waiting`),
  };
}

const person = (id: string) => ({ channel: 'x', accountId: 'default', id, name: null });

describe('a stranger', () => {
  test('has a code for as long as the channel says', () => {
    const { ask, clock, rows } = door({ pairing: { expires: '10m' } });
    expect(ask('1')).toMatchObject({ expiresAt: NOON + 600_000 });
    clock.now += 599_999;
    expect(ask('1')).toBeNull();
    expect(rows()).toMatchObject([{ state: 'waiting' }]);
    clock.now += 1;
    expect(rows()).toMatchObject([{ state: 'expired', text: 'hello' }]);
    expect(ask('1', 'again')).not.toBeNull();
    expect(rows()).toMatchObject([{ state: 'waiting', text: 'again' }]);
  });

  test('is not kept out by a request from the future: the clock was set back', () => {
    const { ask, clock } = door();
    ask('1');
    clock.now -= DAY;
    expect(ask('1')).not.toBeNull();
  });

  test('is kept for two days after his code expired, then forgotten when another asks', () => {
    const { ask, clock, waiting } = door();
    ask('1');
    clock.now += HOUR + 2 * DAY;
    ask('2');
    expect(waiting()).toEqual(['1.json', '2.json']);
    clock.now += 1;
    ask('3');
    expect(waiting()).toEqual(['2.json', '3.json']);
  });

  test('hears nothing where no codes are given', () => {
    const { ask } = door({ pairing: { maxPending: 0 } });
    expect(ask('1')).toBeNull();
  });

  test('is told to try again while somebody holds the folder', () => {
    const { ask, context, layout, clock } = door();
    const lock = tryLock(context, layout.pairingLock('x', 'default'), 'held')!;
    const start = clock.now;
    Object.defineProperty(clock, 'now', { get: () => start + process.uptime() * 1000 * 100 });
    expect(() => ask('1')).toThrow(expect.objectContaining({ exit: 'tempfail', code: 'pairing-busy' }));
    lock.release();
    expect(ask('1')).not.toBeNull();
  });

  test('has a code of his own among those who wait', () => {
    const { ask, rows } = door({ pairing: { maxPending: 50 } });
    for (let i = 0; i < 50; i++) ask(String(i));
    expect(new Set(rows().map(row => row.code)).size).toBe(50);
  });
});

describe('who was let in', () => {
  test('is named with his channel, and looked for alone', () => {
    const { context, layout, ask, config, message } = door();
    for (const id of ['1', '2', '*']) ask(id);
    decidePairing(context, layout, person('1'), 'approved');
    decidePairing(context, layout, person('*'), 'approved');
    decidePairing(context, layout, person('2'), 'denied');
    expect(pairedIds(layout, 'x', 'default').toSorted()).toEqual(['x:*', 'x:1']);
    expect(pairedIds(layout, 'x', 'default', '1')).toEqual(['x:1']);
    expect(pairedIds(layout, 'x', 'default', '2')).toEqual([]);
    expect(pairedIds(layout, 'x', 'other', '1')).toEqual([]);
    expect(pairedFor(layout, config, message('1'))).toEqual(['x:1']);
    expect(pairedFor(layout, { channels: { x: { dmPolicy: 'open' } } }, message('1'))).toBeUndefined();
  });

  test('was let in once, however often it is said', () => {
    const { context, layout, ask, rows } = door();
    ask('1');
    expect(decidePairing(context, layout, person('1'), 'approved')).toBe(true);
    expect(decidePairing(context, layout, person('1'), 'approved')).toBe(false);
    expect(decidePairing(context, layout, person('1'), 'denied')).toBe(true);
    expect(rows()).toMatchObject([{ state: 'denied', id: '1' }]);
    expect(forgetPairing(context, layout, person('1'))).toBe(true);
    expect(forgetPairing(context, layout, person('1'))).toBe(false);
    expect(rows()).toEqual([]);
  });

  test('is not somebody whose file was put under another name', () => {
    const { context, layout, ask, warnings } = door();
    ask('1');
    decidePairing(context, layout, person('1'), 'approved');
    const folder = `${layout.pairing('x', 'default')}/decided`;
    fs.copyFileSync(`${folder}/1.json`, `${folder}/2.json`);
    expect(pairedIds(layout, 'x', 'default', '2')).toEqual([]);
    expect(ask('2')).toBeNull();
    expect(warnings).toEqual([expect.stringContaining('somebody else')]);
  });

  test('is nobody while nothing was decided', () => {
    const { layout, rows } = door();
    expect(pairedIds(layout, 'x', 'default')).toEqual([]);
    expect(rows()).toEqual([]);
  });
});
