import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeltaGate } from '../../../src/core/runner/delta.ts';
import { parseOutput } from '../../../src/core/runner/output.ts';
import { replyOf } from '../../../src/core/runner/silence.ts';

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
    ['NO_REPLY', ' - nothing to add'],
    ['', ''],
  ],
  [
    ['NO_REPLYING is', ' fine'],
    ['', ''],
  ],
  [
    ['All ', 'done.', '\n\nNO', '_REPLY', '.\n'],
    ['All', ' done.', '', '', ''],
  ],
  [
    ['All ', 'done. NO', ' more'],
    ['All', ' done.', ' NO more'],
  ],
  [
    ['see <', 'b', '>HEART', 'BEAT_OK</b>'],
    ['see', '', '', ''],
  ],
])('%j is shown as %j', (pieces, expected) => {
  expect(shown(pieces)).toEqual(expected);
});

test('whatever the pieces, what is shown is the reply, and a silent reply is never shown', () => {
  const piece = fc.constantFrom(
    ...['NO', '_REPLY', 'NO_REPLY', 'HEARTBEAT_', 'OK', 'HEARTBEAT_OK', 'no', '<b>', '</b', '>', '&nbsp;'],
    ...['\n', '\r\n', ' ', 'text', 'done.', '**', '(', ')', '-', '!', '🦞', '_'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), pieces => {
      const gate = new DeltaGate(['NO_REPLY']);
      const during = pieces.map(part => gate.push(part)).join('');
      const { text } = parseOutput('text', pieces.join(''));
      const reply = text === null ? null : replyOf(text, ['NO_REPLY']);
      if (reply === null) expect(during).toBe('');
      else expect(during + gate.end(reply)).toBe(reply);
    }),
    { numRuns: 3000 },
  );
});
