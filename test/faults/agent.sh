#!/bin/sh
# The agent of the fault tests. It answers "answer to <what it was asked>", and keeps a log beside $CLAW_HOME:
# `S run pid` and `E run pid` for its life (`A` and `Z` where it is asked beside the conversation), and `OVERLAP run pid other` when another agent of this session lives.
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
case $asked in
  "Your conversation with the person has grown long"*) begin=A end=Z answer='what was said, in short' ;;
  *"will soon be summarised"*) begin=A end=Z answer=NO_REPLY ;;
  *) answer="answer to ${asked##*answered now:  }" ;;
esac
echo "$begin $CLAW_RUN_ID $me" >> "$audit/log"
[ -e "$audit/linger" ] && [ $first = yes ] && sleep 30
while [ -e "$audit/hold" ]; do sleep 0.02; done
[ -n "$AGENT_SLEEP" ] && sleep "$AGENT_SLEEP"
echo "$answer"
echo "$end $CLAW_RUN_ID $me" >> "$audit/log"
rm -f "$mine"
