import { Command, Option } from 'clipanion';
import { nearest } from '../../config/nearest.ts';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import type { ResolvedSetting } from '../../core/session/settings.ts';
import {
  isSettingName,
  resolveSettings,
  SETTING_NAMES,
  type SettingName,
  type SettingsChange,
} from '../../core/session/settings.ts';
import { modelNamed } from '../../core/session/trigger.ts';
import type { Desk } from '../../runner/desk.ts';
import { settingsOf } from '../../runner/judge.ts';
import { changeSettings, labelsOf } from '../../store/settings.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { findSession } from './find.ts';
import { settingOf } from './spawn.ts';

export interface PatchResult {
  sessionKey: string;
  sessionId: string;
  settings: Record<SettingName, ResolvedSetting>;
}

export class SessionsPatchCommand extends ClawCommand {
  static override paths = [['sessions', 'patch']];
  static override usage = Command.Usage({
    description: `Change settings of a session, also while a turn of it runs (the turn keeps what it began with). Settings: ${SETTING_NAMES.join(', ')}.`,
    examples: [
      ['A model and a thinking level', 'claw sessions patch main --set model=opus --set thinkingLevel=high'],
      ['Back to the default', 'claw sessions patch main --unset model'],
    ],
  });

  name = Option.String({ name: 'key-or-id' });
  set = Option.Array('--set', [], { description: 'NAME=VALUE; may be given several times' });
  unset = Option.Array('--unset', [], { description: 'NAME; may be given several times' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'sessions patch');
    const desk = await openDesk(context);
    const pairs = this.set.map(pair => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
      if (name === undefined || value === undefined) throw usage(`--set ${pair}: expected NAME=VALUE`);
      return [name, value] as const;
    });
    const result = await patchSession(desk, this.name, {
      ...Object.fromEntries(this.unset.map(name => [name, null])),
      ...Object.fromEntries(pairs),
    });
    if (this.json) printJson(result);
    else {
      const set = Object.entries(result.settings).filter(([, { source }]) => source === 'session');
      printOut(
        set.length === 0
          ? `${result.sessionKey}: no settings of its own\n`
          : `${result.sessionKey}\n${set.map(([name, { value }]) => `  ${name.padEnd(16)} ${value}\n`).join('')}`,
      );
    }
    return EXIT.ok;
  }
}

/**
 * Changes settings of a session; values as text (or null to take one back) by setting name.
 *
 * @throws ClawError usage `setting-unknown`, `setting-invalid`, `label-taken`; nothing is changed then
 */
export async function patchSession(
  desk: Desk,
  name: string,
  updates: Record<string, unknown>,
): Promise<PatchResult> {
  const change: Record<string, string | number | null> = {};
  for (const [setting, value] of Object.entries(updates)) {
    if (!isSettingName(setting)) throw unknownSetting(setting);
    const text = setting === 'model' ? modelNamed(desk.config, String(value)) : String(value);
    change[setting] = value === null ? null : settingOf(setting, text);
  }
  if (Object.keys(change).length === 0) throw usage('there is nothing to change');
  const { record } = findSession(desk, name, undefined, { exact: true });
  if (!record) {
    throw new ClawError(
      'usage',
      'session-archived',
      `${name} is an archived transcript; it has no settings`,
      `claw sessions resume ${name}`,
    );
  }
  const holder =
    change.label &&
    [...labelsOf(desk.layout, record.agentId)].find(([, label]) => label === change.label)?.[0];
  if (holder && holder !== record.key) {
    throw new ClawError(
      'usage',
      'label-taken',
      `${JSON.stringify(change.label)} is the label of ${holder}`,
      `claw sessions patch ${holder} --unset label`,
    );
  }
  const at = desk.context.now();
  await changeSettings(desk.context, desk.layout, record, record, change as SettingsChange, { at });
  return {
    sessionKey: record.key,
    sessionId: record.sessionId,
    settings: resolveSettings(desk.config, record.agentId, settingsOf(desk, record)),
  };
}

function unknownSetting(name: string): ClawError {
  const near = nearest(name, SETTING_NAMES);
  return new ClawError(
    'usage',
    'setting-unknown',
    `there is no setting ${JSON.stringify(name)}${near ? `; did you mean ${near}?` : ''}`,
    'claw sessions patch --help',
  );
}

function usage(message: string): ClawError {
  return new ClawError('usage', 'usage', message, 'claw sessions patch --help');
}
