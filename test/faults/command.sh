#!/bin/sh
# The command of the fault tests' job. It notes its start beside $CLAW_HOME (audit/commands: run, pid and start time), prints
# a line after a moment, and notes its end.
audit=${CLAW_HOME%/*}/audit
IFS= read -r stat < /proc/$$/stat
set -f
set -- ${stat##*) }
echo "S $CLAW_JOB_RUN_ID $$-${20}" >> "$audit/commands"
sleep 0.05
echo 'the command has run'
echo "E $CLAW_JOB_RUN_ID" >> "$audit/commands"
