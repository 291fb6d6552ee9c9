#!/usr/bin/env bash
# End what tests/cluster/start.sh started, and wait for it: bash tests/cluster/stop.sh FOLDER
set -euo pipefail
for file in "$1"/slurmd-*.pid "$1/slurmctld.pid" "$1/munged.pid"; do
  [ -f "$file" ] || continue
  pid=$(cat "$file")
  kill "$pid" 2> /dev/null || continue
  for _ in $(seq 50); do
    kill -0 "$pid" 2> /dev/null || break
    sleep 0.2
  done
done
if [ "$(readlink /etc/slurm/slurm.conf)" = "$1/slurm.conf" ]; then rm /etc/slurm/slurm.conf; fi
