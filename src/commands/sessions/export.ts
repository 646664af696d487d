import fs from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { type ExportFormat, exportSession, exportStore } from '../../runner/export.ts';
import { transcriptKey } from '../../store/transcript-lines.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { keepMemoryFlat } from '../flat-memory.ts';
import { Outlet } from '../outlet.ts';
import { printError } from '../output.ts';
import { findSession } from './find.ts';
import { visibleTo } from './visible.ts';

const FORMATS: readonly string[] = ['json', 'jsonl', 'md', 'html'] satisfies ExportFormat[];
/** Unreadable places told one by one. */
const TOLD = 100;

export class SessionsExportCommand extends ClawCommand {
  static override paths = [['sessions', 'export']];
  static override usage = Command.Usage({
    description:
      'A session as one file: for tools (json, jsonl), or for people (md, html). Or the map of the store.',
    examples: [
      ['A page to read or print', 'claw sessions export main --format html --output main.html'],
      ['The whole past of a session', 'claw sessions export main --with-archived --format md'],
      ['The store as one sessions.json', 'claw sessions export --store --output sessions.json'],
    ],
  });

  name = Option.String({ name: 'key-or-id', required: false });
  format = Option.String('--format', { description: 'json (default), jsonl, md or html' });
  output = Option.String('--output', { description: 'this file instead of stdout' });
  force = Option.Boolean('--force', false, { description: 'replace the file where it exists' });
  withArchived = Option.Boolean('--with-archived', false, {
    description: 'the transcripts it was reset from too, oldest first',
  });
  store = Option.Boolean('--store', false, { description: 'every session, as the map of a sessions.json' });

  override async run(context: Context): Promise<number> {
    const format = this.format ?? 'json';
    if (!FORMATS.includes(format)) throw usage(`--format ${format}: expected ${FORMATS.join(', ')}`);
    if (this.json && format !== 'json') throw usage(`--json and --format ${format} contradict each other`);
    if (this.store && (this.name !== undefined || format !== 'json' || this.withArchived))
      throw usage(
        '--store is the whole store as one JSON map; it takes no session, format or --with-archived',
      );
    if (!this.store && this.name === undefined) throw usage('which session? a key, an id, or --store');
    keepMemoryFlat();
    const desk = await openDesk(context, { anyConfig: true });
    const maySee = visibleTo(desk);
    let bad = 0;
    const tell = (text: string) => {
      if (++bad <= TOLD) this.warn(text);
    };

    let pieces: Iterable<string | Uint8Array>;
    if (this.store) {
      pieces = exportStore(desk, maySee, ({ file, reason }) =>
        tell(`${file}: ${reason}; it is left in place (claw doctor --fix)`),
      );
    } else {
      const found = findSession(desk, this.name!);
      const file = desk.layout.transcript(found.agentId, found.sessionId);
      const missing = !fs.existsSync(file);
      const key = found.record?.key ?? (missing ? null : transcriptKey(file)) ?? '';
      if (!maySee(found.agentId, key))
        throw new ClawError('noPermission', 'session-not-visible', `${this.name} may not be seen from here`);
      if (missing)
        throw new ClawError(
          'data',
          'transcript-missing',
          found.record?.bytes === 0
            ? `nothing has been said in ${key} yet; what was said before: claw sessions history ${found.record.previousSessionId ?? key}`
            : `${file} is gone; the next message begins a new session`,
          'claw sessions list',
        );
      pieces = exportSession(desk, found, {
        format: format as ExportFormat,
        withArchived: this.withArchived,
        onBad: (where, line, reason) => tell(`${where}:${line}: ${reason}; the line is left in place`),
      });
    }
    const outlet =
      this.output === undefined ? Outlet.stdout() : Outlet.file(this.output, context, this.force);
    outlet.writeAll(pieces);
    if (this.output !== undefined)
      printError(`${path.resolve(this.output)}: ${fs.statSync(this.output).size} bytes\n`);
    if (bad > TOLD) this.warn(`${bad - TOLD} more places cannot be read`);
    return bad > 0 ? EXIT.data : EXIT.ok;
  }
}

function usage(message: string): ClawError {
  return new ClawError('usage', 'usage', message, 'claw sessions export --help');
}
