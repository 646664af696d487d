/**
 * Completion scripts. What can be typed is written into the script; only session keys are asked of `claw` at TAB. A session
 * key may hold anything a sender chose as his id, so no script ever lets the shell evaluate one: candidates are compared as
 * text and quoted when they are inserted.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export interface CompletedCommand {
  /** words, e.g. `sessions list` */
  path: string;
  summary: string;
  /** its argument is a session */
  takesKey: boolean;
  /** its argument is one of these */
  words: string[];
  options: { name: string; takesValue: boolean; description: string }[];
}

/** Options whose value is a session key, and those whose value is a file. */
const KEY_OPTIONS = ['--session'];
const FILE_OPTIONS = ['--config'];

export function completionScript(shell: Shell, commands: CompletedCommand[]): string {
  if (shell === 'bash') return bash(commands);
  if (shell === 'zsh') return zsh(commands);
  return fish(commands);
}

/** Single quotes of POSIX shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The words that can follow other words: `''` → first words, `'sessions '` → second words. */
function wordsAfter(commands: CompletedCommand[]): Map<string, Set<string>> {
  const after = new Map<string, Set<string>>();
  for (const { path } of commands) {
    const words = path.split(' ');
    for (const [index, word] of words.entries()) {
      const before = words
        .slice(0, index)
        .map(each => `${each} `)
        .join('');
      after.set(before, (after.get(before) ?? new Set()).add(word));
    }
  }
  after.get('')?.add('help');
  return after;
}

function valueOptions(commands: CompletedCommand[]): string[] {
  const taking = commands.flatMap(({ options }) => options.filter(each => each.takesValue));
  return [...new Set(taking.map(({ name }) => name))].filter(
    name => !KEY_OPTIONS.includes(name) && !FILE_OPTIONS.includes(name),
  );
}

/**
 * A function for POSIX-like shells that prints candidates, one a line.
 * `$1`: the words so far without options, each with a blank behind it; `$2`: the word before the one to complete.
 */
function candidates(commands: CompletedCommand[]): string {
  const after = wordsAfter(commands);
  const byLength = commands.toSorted((a, b) => b.path.length - a.path.length);
  const arm = (pattern: string, lines: string[]) =>
    `    ${pattern})\n${lines.map(line => `      ${line}\n`).join('')}      ;;\n`;
  const print = (words: Iterable<string>) => `printf '%s\\n' ${[...words].map(quoted).join(' ')}`;
  const values = valueOptions(commands);
  return [
    '_claw_candidates() {\n',
    '  case "$2" in\n',
    `    ${KEY_OPTIONS.join('|')}) claw completion keys 2>/dev/null; return ;;\n`,
    ...(values.length > 0 ? [`    ${values.join('|')}) return ;;\n`] : []),
    '  esac\n',
    '  case "$1" in\n',
    ...byLength.map(({ path, words, options, takesKey }) =>
      arm(`${quoted(`${path} `)}*`, [
        print([...words, ...options.map(({ name }) => name)]),
        ...(takesKey ? ['claw completion keys 2>/dev/null'] : []),
      ]),
    ),
    // A group alone means its list, so the options of that are offered too.
    ...[...after].map(([before, words]) => {
      const list = commands.find(({ path }) => path === `${before}list`);
      return arm(quoted(before), [print([...words, ...(list?.options ?? []).map(({ name }) => name)])]);
    }),
    '  esac\n',
    '}\n',
  ].join('');
}

function bash(commands: CompletedCommand[]): string {
  return `# bash completion for claw; made by: claw completion bash
${candidates(commands)}
_claw() {
  local text="\${COMP_LINE:0:COMP_POINT}" word current previous='' line='' index count
  local -a typed
  # By blanks: bash would split a session key at its colons.
  read -r -a typed <<< "$text"
  case "$text" in *[[:space:]]) typed+=('') ;; esac
  count=\${#typed[@]}
  current="\${typed[count-1]}"
  [ "$count" -gt 2 ] && previous="\${typed[count-2]}"
  for ((index = 1; index < count - 1; index++)); do
    case "\${typed[index]}" in
      -*) ;;
      session) if [ -z "$line" ]; then line='sessions '; else line+='session '; fi ;;
      *) line+="\${typed[index]} " ;;
    esac
  done
  COMPREPLY=()
  case "$previous" in
    ${FILE_OPTIONS.join('|')})
      compopt -o default 2>/dev/null
      return
      ;;
  esac
  local colons=''
  case "$current" in *:*) case "$COMP_WORDBREAKS" in *:*) colons="\${current%"\${current##*:}"}" ;; esac ;; esac
  while IFS= read -r word; do
    case "$word" in
      -*) case "$current" in -*) ;; *) continue ;; esac ;;
    esac
    # Compared as text and inserted quoted: a key may hold what the shell would run.
    if [ "\${word:0:\${#current}}" = "$current" ]; then
      word="\${word:\${#colons}}"
      COMPREPLY+=("$(printf '%q' "$word")")
    fi
  done < <(_claw_candidates "$line" "$previous")
}
complete -F _claw claw
`;
}

function zsh(commands: CompletedCommand[]): string {
  return `#compdef claw
# zsh completion for claw; made by: claw completion zsh
${candidates(commands)}
_claw() {
  local word line='' previous="\${words[CURRENT-1]}"
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in
      ''|-*) ;;
      session) if [ -z "$line" ]; then line='sessions '; else line+='session '; fi ;;
      *) line+="$word " ;;
    esac
  done
  case "$previous" in
    ${FILE_OPTIONS.join('|')}) _files; return ;;
  esac
  while IFS= read -r word; do
    case "$word" in
      -*) case "\${words[CURRENT]}" in -*) ;; *) continue ;; esac ;;
    esac
    found+=("$word")
  done < <(_claw_candidates "$line" "$previous")
  # compadd quotes what it inserts.
  compadd -- "\${(@)found}"
}
if [ "\${funcstack[1]}" = _claw ]; then _claw "$@"; else compdef _claw claw; fi
`;
}

function fish(commands: CompletedCommand[]): string {
  const after = wordsAfter(commands);
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const summaryOf = (before: string, word: string) =>
    commands.find(({ path }) => path === `${before}${word}`)?.summary ?? '';
  const lines: string[] = [];
  for (const [before, words] of after)
    for (const word of words)
      lines.push(
        `complete -c claw -f -n ${quote(`__claw_typed_exactly ${before.trim()}`)} -a ${quote(word)} -d ${quote(summaryOf(before, word))}`,
      );
  for (const { path, words, options, takesKey } of commands) {
    const here = quote(`__claw_typed ${path}`);
    for (const { name, takesValue, description } of options) {
      const spelled = name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
      const value = FILE_OPTIONS.includes(name)
        ? ' -r -F'
        : KEY_OPTIONS.includes(name)
          ? " -x -a '(claw completion keys 2>/dev/null)'"
          : takesValue
            ? ' -x'
            : '';
      lines.push(`complete -c claw -n ${here} ${spelled}${value} -d ${quote(description)}`);
    }
    for (const word of words) lines.push(`complete -c claw -f -n ${here} -a ${quote(word)}`);
    if (takesKey) lines.push(`complete -c claw -f -n ${here} -a '(claw completion keys 2>/dev/null)'`);
  }
  return `# fish completion for claw; made by: claw completion fish
function __claw_words
    set -l words (commandline -opc)
    set -e words[1]
    set -l plain (string match -v -- '-*' $words)
    if test (count $plain) -gt 0; and test "$plain[1]" = session
        set plain[1] sessions
    end
    printf '%s\\n' $plain
end
function __claw_typed_exactly
    set -l words (__claw_words)
    test "$words" = "$argv"
end
function __claw_typed
    set -l words (__claw_words)
    set -l length (count $argv)
    test (count $words) -ge $length; and test "$words[1..$length]" = "$argv"
end
${lines.join('\n')}
`;
}
