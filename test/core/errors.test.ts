import { describe, expect, test } from 'vitest';
import { asFailure, ClawError } from '../../src/core/errors.ts';

describe('a failure', () => {
  test('that says what it is stays so', () => {
    const error = new ClawError('usage', 'x', 'what', 'how');
    expect(asFailure(error)).toBe(error);
  });

  test.each(['EIO', 'ENOSPC', 'EROFS', 'EMFILE', 'EACCES'])(
    'of a file (%s) is trouble of the disk, no bug',
    code => {
      const error = Object.assign(new Error(`${code}: trouble, scandir '/x'`), { code, syscall: 'scandir' });
      expect(asFailure(error)).toMatchObject({
        exit: 'io',
        code: 'io',
        message: error.message,
        cause: error,
      });
    },
  );

  test.each([
    Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT', syscall: 'open' }),
    Object.assign(new Error('code alone'), { code: 'EIO' }),
    new TypeError('x is not a function'),
    'text',
    undefined,
  ])('that nobody foresaw is a bug of claw, with its place: %s', error => {
    const failure = asFailure(error);
    expect(failure).toMatchObject({ exit: 'internal', code: 'internal' });
    expect(failure.message).toContain(error instanceof Error ? error.message : String(error));
  });
});
