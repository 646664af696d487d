#!/bin/sh
# The agent of the fault tests. It answers "answer to <what it was asked>", and keeps a log beside $CLAW_HOME:
# `S run pid` and `E run pid` for its life (`A` and `Z` for a summary, `M` and `Y` for memory, both beside the conversation),
# and `OVERLAP run pid other` when another agent of this session lives; `asked.pid` beside it holds what it was asked.
#   $1             more characters than this are too long for it
#   audit/summary  how a summary goes wrong: empty, longer, crash, hang
#   audit/hold     while this file exists it does not answer
#   audit/linger   the very first agent never ends by itself (it would outlive a killed claw)
#   AGENT_SLEEP    seconds it takes
audit=${CLAW_HOME%/*}/audit
set -f
started() { set -- ${1##*) }; [ "$1" = Z ] || echo "${20}"; }
IFS= read -r stat < /proc/$$/stat
me=$$-$(started "$stat")
mine="$audit/life.$CLAW_SESSION_KEY.$me"
: > "$mine"
set +f
for other in "$audit/life.$CLAW_SESSION_KEY."*; do
  [ "$other" = "$mine" ] && continue
  id=${other##*.}
  { IFS= read -r stat < "/proc/${id%-*}/stat"; } 2>/dev/null || continue
  set -f
  [ "$(started "$stat")" = "${id#*-}" ] && echo "OVERLAP $CLAW_RUN_ID $me $id" >> "$audit/log"
  set +f
done
first=no
[ -e "$audit/log" ] || first=yes
asked=
while IFS= read -r line || [ -n "$line" ]; do asked="$asked${asked:+ }$line"; done
begin=S end=E
# Its claw may have died before it asked anything.
[ "$CLAW_ORIGIN" = system ] && begin=A end=Z
case $asked in
  "Your conversation with the person has grown long"*) begin=A end=Z answer="what was said, in short, by $me" ;;
  *"will soon be summarised"*) begin=M end=Y answer="- noted by $me for $CLAW_RUN_ID: the person likes tea, and no milk in it" ;;
  *) answer="answer to ${asked##*answered now:  }" ;;
esac
printf '%s\n' "$asked" > "$audit/asked.$me"
echo "$begin $CLAW_RUN_ID $me" >> "$audit/log"
if [ $begin = A ] && [ -e "$audit/summary" ]; then
  read -r how < "$audit/summary"
  case $how in
    empty) answer= ;;
    longer) answer="$asked $asked" ;;
    crash) exit 3 ;;
    hang) sleep 30 ;;
  esac
fi
if [ -n "$1" ] && [ ${#asked} -gt "$1" ]; then echo 'prompt is too long' >&2; exit 1; fi
[ -e "$audit/linger" ] && [ $first = yes ] && sleep 30
while [ -e "$audit/hold" ]; do sleep 0.02; done
[ -n "$AGENT_SLEEP" ] && sleep "$AGENT_SLEEP"
echo "$answer"
echo "$end $CLAW_RUN_ID $me" >> "$audit/log"
rm -f "$mine"
