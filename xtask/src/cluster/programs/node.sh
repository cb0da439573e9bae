# Becomes a node: namespaces of its own, with a cgroup SCOPE. The process that runs this holds the node; all that runs in
# it ends with it.
# usage: node.sh SCOPE NETNS INSIDE ARGUMENT...    (INSIDE: the script that goes on inside)
set -eu
scope=$1 netns=$2 root=/sys/fs/cgroup
shift 2
if [ -e "$root/cgroup.controllers" ]; then
  # Version 2, of which only one hierarchy exists. Its root must pass the controllers on.
  for name in $(cat "$root/cgroup.controllers"); do
    echo "+$name" >"$root/cgroup.subtree_control" 2>/dev/null || true
  done
  mkdir -p "$root/$scope/init"
  echo $$ >"$root/$scope/cgroup.procs"
  # Where the holder goes then: a cgroup with processes of its own can't pass controllers on.
  last=$root/$scope/init/cgroup.procs
else
  for tree in "$root"/*/; do
    [ -e "$tree/cgroup.procs" ] || continue
    mkdir -p "$tree/$scope"
    for file in cpuset.cpus cpuset.mems; do
      [ ! -e "$tree/$scope/$file" ] || cat "$tree/$file" >"$tree/$scope/$file"
    done
    echo $$ >"$tree/$scope/cgroup.procs"
  done
  last=/dev/null
fi
# The root of the new cgroup namespace is where the process is now.
exec nsenter --net="/run/netns/$netns" unshare --cgroup -- sh -eu -c '
  echo $$ >"$1"
  shift
  exec unshare --mount --uts --pid --fork --kill-child --mount-proc --propagation private -- sh -eu -c "$@"' \
  node "$last" "$1" inside "$2" "$3" "$4"
