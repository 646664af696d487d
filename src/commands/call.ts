import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { ClawError } from '../core/errors.ts';
import { argvOfCall, METHOD_NAMES } from '../core/rpc.ts';
import { ClawCommand } from './base.ts';
import { execute } from './execute.ts';

export class CallCommand extends ClawCommand {
  static override paths = [['call']];
  static override usage = Command.Usage({
    description: `Call a method by its RPC name: the same as its command with --json. Methods: ${METHOD_NAMES.join(', ')}.`,
    examples: [
      ['List sessions', 'claw call sessions.list --params \'{"activeMinutes": 60}\''],
      [
        'Change settings',
        'claw call sessions.patch --params \'{"sessionKey": "main", "updates": {"thinkingLevel": "high"}}\'',
      ],
    ],
  });

  method = Option.String({ name: 'method' });
  params = Option.String('--params', '{}', { description: 'parameters, one JSON object' });

  override async run(_context: Context): Promise<number> {
    const argv = argvOfCall(this.method, parse(this.params));
    const config = this.configFile === undefined ? [] : [`--config=${this.configFile}`];
    const dashes = argv.indexOf('--');
    return execute([...argv.slice(0, dashes), ...config, ...argv.slice(dashes)]);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ClawError(
      'usage',
      'params-invalid',
      `--params is not JSON: ${(error as Error).message}`,
      'claw call --help',
    );
  }
}
