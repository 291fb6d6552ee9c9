#!/usr/bin/env bash
# A SLURM cluster on this machine, for tests: bash tests/cluster/start.sh FOLDER [NODES]
#
# Debian's slurmctld and munge, and a slurmd for each of several nodes that are all this host, each with one CPU. All
# listen on loopback, and all that they write is in FOLDER, but for a link, /etc/slurm/slurm.conf: a job's commands look
# there and nowhere else. What a lost node worked on is begun again after 20 s (cred_expire). Ended by stop.sh beside it.
# Needs root, and: apt-get install slurmctld slurmd munge
set -euo pipefail
folder=$1 nodes=${2:-2} host=$(hostname) link=/etc/slurm/slurm.conf
[ ! -e "$link" ] || { echo "$link: is there already: this machine has a cluster, which is left alone" >&2 && exit 1; }
if [ ! -f "$folder/slurm.conf" ]; then
  mkdir -p "$folder/state" "$folder/log"
  {
    cat << END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${SLURM_TEST_PORT:-16817}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=20
StateSaveLocation=$folder/state
SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmdLogFile=$folder/log/slurmd-%n
SlurmdSpoolDir=$folder/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=600
ReturnToService=2
SlurmdTimeout=10
SlurmdParameters=config_overrides
KillWait=2
END
    for n in $(seq "$nodes"); do
      port=$((${SLURM_TEST_PORT:-16817} + n))
      echo "NodeName=node$n NodeHostname=$host NodeAddr=127.0.0.1 Port=$port CPUs=1 RealMemory=16000"
    done
    echo "PartitionName=cpu Nodes=ALL Default=YES State=UP"
    echo "PartitionName=gpu Nodes=ALL State=UP" # without any: what profiles/slurm names
  } > "$folder/slurm.conf"
  head -c 1024 /dev/urandom > "$folder/munge.key" && chmod 600 "$folder/munge.key"
fi
mkdir -p /etc/slurm && ln -sfn "$folder/slurm.conf" "$link"
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
  --log-file="$folder/log/munged" --seed-file="$folder/munge.seed" >> "$folder/log/start" 2>&1
slurmctld -c >> "$folder/log/start" 2>&1
for n in $(seq "$nodes"); do
  slurmd -N "node$n" >> "$folder/log/start" 2>&1
done
for _ in $(seq 100); do # until all are there
  [ "$(sinfo --noheader --Node --states=idle 2> /dev/null | wc -l)" = "$nodes" ] && break
  sleep 0.2
done
sinfo
