#!/usr/bin/env bash
# End what tests/cluster/start.sh started: bash tests/cluster/stop.sh FOLDER
set -euo pipefail
for file in "$1"/slurmd-*.pid "$1/slurmctld.pid" "$1/munged.pid"; do
  [ -f "$file" ] && kill "$(cat "$file")" 2> /dev/null || true
done
[ "$(readlink /etc/slurm/slurm.conf)" = "$1/slurm.conf" ] && rm /etc/slurm/slurm.conf || true
