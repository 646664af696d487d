import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeltaGate } from '../../../src/core/runner/delta.ts';
import { parseOutput } from '../../../src/core/runner/output.ts';
import { isSilent } from '../../../src/core/runner/verdict.ts';

function shown(pieces: string[]): string[] {
  const gate = new DeltaGate(['NO_REPLY']);
  return pieces.map(piece => gate.push(piece));
}

test.each([
  [
    ['NO', '_REP', 'LY', '\n'],
    ['', '', '', ''],
  ],
  [
    [' \n', 'NO_REPLY', '  '],
    ['', '', ''],
  ],
  [
    ['NO', 'pe\n'],
    ['', 'NOpe'],
  ],
  [
    ['a\n', '\n', 'b\n'],
    ['a', '', '\n\nb'],
  ],
  [
    ['NO_REPLY', ' but yes'],
    ['', 'NO_REPLY but yes'],
  ],
])('%j is shown as %j', (pieces, expected) => {
  expect(shown(pieces)).toEqual(expected);
});

test('whatever the pieces, what is shown is the reply, and a silent reply is never shown', () => {
  const piece = fc.constantFrom('NO', '_REPLY', 'NO_REPLY', '\n', '\r\n', ' ', 'text');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), pieces => {
      const gate = new DeltaGate(['NO_REPLY']);
      const during = pieces.map(part => gate.push(part)).join('');
      const { text } = parseOutput('text', pieces.join(''));
      if (text === null || isSilent(text)) expect(during).toBe('');
      else expect(during + gate.end(text)).toBe(text);
    }),
  );
});
