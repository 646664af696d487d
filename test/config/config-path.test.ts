import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatPath, parsePath } from '../../src/config/config-path.ts';
import { resolvePath } from '../../src/config/nearest.ts';
import { jsonSchema } from '../../src/config/schema.ts';

test.each([
  ['agents.list[0].id', ['agents', 'list', 0, 'id']],
  ['channels["a.b"].send', ['channels', 'a.b', 'send']],
  ["channels['a.b'].send", ['channels', 'a.b', 'send']],
  ['channels.telegram.groups.-100123', ['channels', 'telegram', 'groups', '-100123']],
  ['runners.my-agent.env.API_KEY', ['runners', 'my-agent', 'env', 'API_KEY']],
  ['', null],
  ['a..b', null],
  ['a.', null],
  ['.a', null],
  ['a[', null],
  ['a["b]', null],
  ['a[-1]', null],
  ['[0', null],
])('%j is the path %j', (written, path) => {
  expect(parsePath(written)).toEqual(path);
});

test('what is written for people is read back', () => {
  const step = fc.oneof(fc.nat(999), fc.string({ minLength: 1 }));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), path => {
      expect(parsePath(formatPath(path))).toEqual(path);
    }),
  );
});

test.each([
  ['agents.list.0.id', ['agents', 'list', 0, 'id'], true],
  ['owners.3', ['owners', 3], true],
  ['channels.telegram.dms.789.historyLimit', ['channels', 'telegram', 'dms', '789', 'historyLimit'], true],
  ['channels.sms.send.command', ['channels', 'sms', 'send', 'command'], true],
  ['session.identityLinks.ann[0]', ['session', 'identityLinks', 'ann', 0], true],
  ['session.rest.mode', ['session', 'rest'], false],
  ['session.constructor', ['session', 'constructor'], false],
  ['timezone.x', ['timezone', 'x'], false],
])('%s in the schema', (written, path, known) => {
  expect(resolvePath(jsonSchema(), parsePath(written) ?? [])).toEqual({ path, known });
});
