import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Message } from '../../../src/core/routing/message.ts';
import {
  isOpen,
  newRequest,
  pairingCode,
  pairingLimits,
  pairingText,
  readCode,
} from '../../../src/core/routing/pairing.ts';

const HOUR = 3_600_000;
const message: Message & { from: string } = {
  channel: 'telegram',
  accountId: 'default',
  chatType: 'dm',
  from: '5',
  text: 'hello',
};
const limits = { expires: HOUR, maxPending: 3 };

describe('a code', () => {
  test('has eight characters that nobody takes for others', () => {
    fc.assert(
      fc.property(fc.uuid({ version: 4 }), uuid => {
        expect(pairingCode(uuid)).toMatch(/^[A-HJ-NP-Z2-9]{8}$/);
      }),
    );
  });

  test('differs wherever its 40 bits differ', () => {
    const codes = Array.from({ length: 64 }, (_, bit) =>
      pairingCode(`00000000-0000-4000-8000-00${(2 ** (bit % 40)).toString(16).padStart(10, '0')}`),
    );
    expect(new Set(codes).size).toBe(40);
  });

  test.each([
    [' k7qwm2xp ', 'K7QWM2XP'],
    ['K7QW-M2XP', 'K7QWM2XP'],
    ['k7qw m2xp', 'K7QWM2XP'],
  ])('typed as %j is %s', (typed, code) => {
    expect(readCode(typed)).toBe(code);
  });
});

describe('limits', () => {
  test.each([
    [undefined, HOUR, 3],
    [{}, HOUR, 3],
    [{ expires: '30m', maxPending: 1 }, HOUR / 2, 1],
    [{ expires: 'soon', maxPending: -1 }, HOUR, 3],
    [{ expires: '0m', maxPending: 0 }, HOUR, 0],
    [{ expires: 5, maxPending: 1.5 }, HOUR, 3],
    ['nonsense', HOUR, 3],
  ])('of %j', (pairing, expires, maxPending) => {
    const channels = { telegram: { pairing } } as never;
    expect(pairingLimits({ channels }, 'telegram', 'default')).toEqual({ expires, maxPending });
  });

  test('of an account replace those of its channel', () => {
    const channels = {
      telegram: { pairing: { maxPending: 5 }, accounts: { biz: { pairing: { maxPending: 1 } } } },
    } as never;
    expect(pairingLimits({ channels }, 'telegram', 'biz').maxPending).toBe(1);
    expect(pairingLimits({ channels }, 'telegram', 'default').maxPending).toBe(5);
  });
});

describe('a request', () => {
  const request = newRequest({ ...message, id: 'm1', fromName: 'Alice' }, 'K7QWM2XP', 1000, limits);

  test.each([
    [999, false],
    [1000, true],
    [1000 + HOUR - 1, true],
    [1000 + HOUR, false],
  ])('is open at %i: %s', (now, open) => {
    expect(isOpen(request, now)).toBe(open);
  });

  test('keeps the beginning of a long text, no half character', () => {
    const long = newRequest({ ...message, text: `${'x'.repeat(1999)}😀 and more` }, 'C', 0, limits);
    expect(long.text).toBe(`${'x'.repeat(1999)}…`);
  });

  test.each([
    [HOUR, '1 h'],
    [90 * 60_000, '90 min'],
    [2 * HOUR, '2 h'],
    [1000, '1 min'],
  ])('good for %i ms says %s, the code and the command', (expires, words) => {
    const text = pairingText(newRequest(message, 'K7QWM2XP', 0, { expires, maxPending: 3 }));
    expect(text).toContain(`good for ${words}`);
    expect(text).toContain('claw pairing approve K7QWM2XP');
    expect(text).toContain('telegram:5');
  });
});
