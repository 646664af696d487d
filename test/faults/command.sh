#!/bin/sh
# The command of the fault tests' jobs. It notes its start beside $CLAW_HOME (audit/commands: run, pid and start time), and
# whether another one of its job lives; prints a line after a moment, and notes its end.
audit=${CLAW_HOME%/*}/audit
set -f
started() { set -- ${1##*) }; [ "$1" = Z ] || echo "${20}"; }
IFS= read -r stat < /proc/$$/stat
me=$$-$(started "$stat")
mine="$audit/command.$CLAW_JOB_ID"
if [ -e "$mine" ] && read -r other < "$mine" && { IFS= read -r stat < "/proc/${other%-*}/stat"; } 2>/dev/null; then
  [ "$(started "$stat")" = "${other#*-}" ] && echo "OVERLAP $CLAW_JOB_RUN_ID $me $other" >> "$audit/commands"
fi
echo "$me" > "$mine"
echo "S $CLAW_JOB_RUN_ID $me" >> "$audit/commands"
sleep 0.05
echo 'the command has run'
echo "E $CLAW_JOB_RUN_ID $me" >> "$audit/commands"
rm -f "$mine"
