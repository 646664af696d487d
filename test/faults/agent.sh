#!/bin/sh
# The agent of the fault tests. It answers "answer to <what it was asked>", and keeps a log beside $CLAW_HOME:
# `S run pid` and `E run pid` for its life, and `OVERLAP run pid other` when another agent of this session lives.
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
echo "S $CLAW_RUN_ID $me" >> "$audit/log"
asked=
while IFS= read -r line || [ -n "$line" ]; do asked="$asked${asked:+ }$line"; done
[ -e "$audit/linger" ] && [ $first = yes ] && sleep 30
while [ -e "$audit/hold" ]; do sleep 0.02; done
[ -n "$AGENT_SLEEP" ] && sleep "$AGENT_SLEEP"
echo "answer to $asked"
echo "E $CLAW_RUN_ID $me" >> "$audit/log"
rm -f "$mine"
