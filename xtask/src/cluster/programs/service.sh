# Runs a command in the cgroup of a node, below which the node's containers get theirs. It is called outside of the node:
# who has entered the node's cgroup namespace may not move into it from elsewhere.
# usage: service.sh SCOPE COMMAND...
set -eu
scope=$1
shift
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  echo $$ >"/sys/fs/cgroup/$scope/init/cgroup.procs"
else
  for procs in /sys/fs/cgroup/*/"$scope"/cgroup.procs; do
    echo $$ >"$procs"
  done
fi
exec "$@"
