import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import { ago, relative } from '../../core/display/age.ts';
import { EXIT } from '../../core/errors.ts';
import { inspectTimer, type TimerState } from '../../runner/install-timer.ts';
import { ClawCommand } from '../base.ts';
import { tickAge } from '../checks/work.ts';
import { openDesk } from '../desk.ts';
import { printable } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { timerPlace } from './place.ts';

export class TimerStatusCommand extends ClawCommand {
  static override paths = [['timer', 'status']];
  static override usage = Command.Usage({
    description:
      'Whether a timer is installed, of which kind, when it ran and will run, and whether what it holds still exists; exit 1 when no ticks come from it.',
    examples: [['In a script', 'claw timer status --json']],
  });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true, quiet: true });
    const last = tickAge(desk);
    const state = await inspectTimer(timerPlace(context), last?.at ?? null);
    const time = (at: number | null) => (at === null ? null : new Date(at).toISOString());
    if (this.json)
      printJson({
        ok: state.problems.length === 0,
        ...state,
        nextAt: time(state.nextAt),
        lastAt: time(state.lastAt),
        lastTick: last ? { at: time(last.at), ageMs: last.ageMs, late: last.late } : null,
      });
    else printOut(describe(state, last, context.now()));
    return state.problems.length > 0 ? EXIT.attention : EXIT.ok;
  }
}

function describe(state: TimerState, last: ReturnType<typeof tickAge>, now: number): string {
  const line = (head: string, text: string) => `${head.padEnd(10)} ${printable(text)}\n`;
  const told = (yes: boolean | null, words: [string, string]) => (yes === null ? [] : [words[yes ? 0 : 1]]);
  const manner = [
    ...told(state.active, ['running', 'stopped']),
    ...told(state.enabled, ['enabled', 'not enabled']),
    ...(state.hardened ? ['hardened'] : []),
    ...(state.running ? ['a tick is running'] : []),
  ];
  const { facts } = state;
  return [
    line('timer', state.kind === null ? 'none' : [state.kind, ...manner].join(', ')),
    ...state.files.map(({ path: file, state: who }) =>
      line('file', who === 'ours' ? file : `${file} (${who === 'missing' ? 'missing' : 'not as installed'})`),
    ),
    ...(facts ? [line('runs', `${facts.node} ${facts.script} tick`), line('home', facts.home)] : []),
    ...(state.nextAt === null ? [] : [line('next', relative(state.nextAt - now))]),
    ...(state.lastAt === null ? [] : [line('last', relative(state.lastAt - now))]),
    ...(state.lastExit === null ? [] : [line('exit', String(state.lastExit))]),
    ...(state.linger === null ? [] : [line('linger', state.linger ? 'yes' : 'no')]),
    line('last tick', last === null ? 'never' : `${ago(last.ageMs)}${last.late ? ' (late)' : ''}`),
    ...state.drift.map(text => line('differs', `${text}; claw timer install`)),
    ...state.notes.map(text => line('note', text)),
    ...state.problems.map(({ what, fix }) => `${line('look', what)}           try: ${printable(fix)}\n`),
  ].join('');
}
