import { Command, Option } from 'clipanion';
import type { ConfigInput } from '../../config/schema.ts';
import type { Context } from '../../context.ts';
import { ClawError } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { configuredAgentId } from '../../core/routing/route.ts';
import { viewerOf } from '../../core/routing/visibility.ts';
import { readSetting, type SettingName, type SettingValues } from '../../core/session/settings.ts';
import { modelNamed } from '../../core/session/trigger.ts';
import { newSubagentKey, sendToSession } from '../../runner/send.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printSent, sendOptions, sentStatus } from './send.ts';

export class SessionsSpawnCommand extends ClawCommand {
  static override paths = [['sessions', 'spawn']];
  static override usage = Command.Usage({
    description:
      'Give a task to a sub-agent in a session of its own. Called by an agent, the answer comes back to its session as a system event.',
    examples: [
      ['A task on the side', 'claw sessions spawn "Read the changelog and list what breaks" --model opus'],
    ],
  });

  task = Option.String({ name: 'task' });
  agent = Option.String('--agent', { description: 'agent that does it; default: the calling one' });
  model = Option.String('--model', { description: 'model of the sub-agent' });
  thinking = Option.String('--thinking', { description: 'thinking level of the sub-agent' });
  label = Option.String('--label', { description: 'name for people' });
  reply = Option.String('--reply', {
    description: 'announce (default for agents), reply (default for people) or skip',
  });
  wait = Option.String('--wait', { description: 'seconds to wait for the answer; 0: do not wait' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context);
    const viewer = viewerOf(context.env);
    const own = viewer?.agentId ?? defaultAgentId(desk.config);
    const agentId = this.agent === undefined ? own : configuredAgentId(this.agent, desk.config);
    if (viewer && agentId !== own) {
      throw new ClawError(
        'noPermission',
        'other-agent',
        `agent ${own} cannot spawn a sub-agent of ${agentId}`,
        'claw sessions spawn TASK (without --agent)',
      );
    }
    const policy = this.reply ?? (viewer ? 'announce' : 'reply');
    const key = newSubagentKey(desk, agentId);
    const result = await sendToSession(desk, { agentId, key }, this.task, {
      ...sendOptions(policy, this.wait, 'claw sessions spawn'),
      settings: this.settings(desk.config),
      begins: true,
      print: done => printSent(done, this.json),
    });
    return sentStatus(result, this.json);
  }

  private settings(config: ConfigInput): SettingValues {
    const given: [SettingName, string | undefined][] = [
      ['model', this.model === undefined ? undefined : modelNamed(config, this.model)],
      ['thinkingLevel', this.thinking],
      ['label', this.label],
    ];
    return Object.fromEntries(
      given.flatMap(([name, text]) => (text === undefined ? [] : [[name, settingOf(name, text)]])),
    );
  }
}

/** A setting's value as it was typed. @throws ClawError usage naming what it may be */
export function settingOf(name: SettingName, text: string): string | number {
  const read = readSetting(name, text);
  if (read.ok) return read.value;
  throw new ClawError(
    'usage',
    'setting-invalid',
    `${name} cannot be ${JSON.stringify(text)}; expected ${read.expected}`,
    'claw sessions patch --help',
  );
}
