/** launchd's property list, filled in. The repository's file is the text; launchd expands nothing, so only XML is in the way. */
import type { TimerFacts } from './marker.ts';
import { timerEnvironment } from './unit.ts';

/** Text between two tags. */
export function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** @param template `launchd/claw-tick.plist` */
export function fillPlist(template: string, facts: TimerFacts): string {
  const words = [facts.node, facts.script, 'tick'];
  if (facts.config !== null) words.push('--config', facts.config);
  const args = words.map(word => `    <string>${xmlText(word)}</string>\n`).join('');
  const environment = timerEnvironment(facts)
    .map(([name, value]) => `    <key>${name}</key>\n    <string>${xmlText(value)}</string>\n`)
    .join('');
  const withArgs = replaceBody(template, 'ProgramArguments', 'array', args);
  return replaceBody(withArgs, 'EnvironmentVariables', 'dict', environment);
}

function replaceBody(text: string, key: string, tag: string, body: string): string {
  const pattern = new RegExp(`(<key>${key}</key>\\s*<${tag}>\\n)[\\s\\S]*?(\\n? *</${tag}>)`);
  if (!pattern.test(text)) throw new Error(`the property list has no ${key}`);
  return text.replace(
    pattern,
    (_, before: string, after: string) => `${before}${body}${after.replace(/^\n/, '')}`,
  );
}
