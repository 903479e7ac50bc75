#!/bin/bash
# Stands in for terraform (CAPLV_TERRAFORM): the real one, $FAULT_TERRAFORM, with a place where one may strike. The file
# $FAULT_DIR/<workspace> (`host` for those of a host and its images) holds one line, VICTIMS POINT. When the run comes to that point each
# victim gets SIGKILL, and the file is renamed to <workspace>.hit. A victim `pause` holds terraform until that file is removed. See fault-points.ts.
set -u
case ${1:-} in init | plan | apply) ;; *) exec "$FAULT_TERRAFORM" "$@" ;; esac
# What bash says of a child that was killed is no output of terraform.
exec 2>/dev/null

case $PWD in
  */hosts/* | */images/* | */caplv-host/*) fault=$FAULT_DIR/host ;;
  *) fault=$FAULT_DIR/${TF_WORKSPACE:-${PWD##*/}} ;;
esac
verb=$1
[ "${2:-}" = -destroy ] && verb=destroy
terraform=

at() {
  local victims point victim itself=
  [ -e "$fault" ] && read -r victims point <"$fault" && [[ $1 == $point ]] || return 0
  # Whoever renames it first strikes.
  mv "$fault" "$fault.hit" 2>/dev/null || return 0
  for victim in ${victims//,/ }; do
    case $victim in
      caplv) kill -KILL "$PPID" ;;
      provider) [[ ${TF_REATTACH_PROVIDERS:-} =~ \"Pid\":([0-9]+) ]] && kill -KILL "${BASH_REMATCH[1]}" ;;
      pause)
        kill -STOP "$terraform"
        while [ -e "$fault.hit" ]; do sleep 0.1; done
        kill -CONT "$terraform"
        ;;
      terraform) if [ -n "$terraform" ]; then kill -KILL "$terraform"; else itself=1; fi ;;
    esac
  done
  [ -z "$itself" ] || kill -KILL $$
}

at "start $verb"
coproc RUN { exec "$FAULT_TERRAFORM" "$@" </dev/null 2>&1; }
terraform=$RUN_PID
exec {output}<&"${RUN[0]}"
while IFS= read -r line <&$output; do
  # For example `create_start libvirt_volume.root`, and `saved` when the state is.
  if [[ $line =~ \"type\":\"apply_(start|complete)\" ]]; then
    step=${BASH_REMATCH[1]}
    [[ $line =~ \"addr\":\"([^\"]+)\" ]] && address=${BASH_REMATCH[1]}
    [[ $line =~ \"action\":\"([a-z]+)\" ]] && at "${BASH_REMATCH[1]}_$step $address"
  elif [[ $line == *'"operation":"apply"'* || $line == *'"operation":"destroy"'* ]]; then
    at saved
  fi
  printf '%s\n' "$line"
done
wait "$terraform"
code=$?
at "end $verb"
# As it ended, so do we.
[ "$code" -le 128 ] || kill -KILL $$
exit "$code"
