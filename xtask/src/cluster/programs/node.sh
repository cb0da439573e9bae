# Becomes a node: namespaces of its own, with a cgroup tree below SCOPE. The process that runs this holds the node; all
# that runs in it ends with it.
# usage: node.sh SCOPE NETNS DIR NODE
set -eu
scope=$1 netns=$2 dir=$3 node=$4
for tree in /sys/fs/cgroup /sys/fs/cgroup/*/; do
  [ -e "$tree/cgroup.procs" ] || continue
  mkdir -p "$tree/$scope"
  for file in cpuset.cpus cpuset.mems; do
    [ ! -e "$tree/$scope/$file" ] || cat "$tree/$file" >"$tree/$scope/$file"
  done
  echo $$ >"$tree/$scope/cgroup.procs"
done
exec nsenter --net="/run/netns/$netns" unshare --mount --uts --pid --cgroup --fork --kill-child --mount-proc \
  --propagation private -- sh -eu -c '
  dir=$1 node=$2
  hostname "$node"
  mount --make-rshared /
  mount -t sysfs sysfs /sys
  v1=$(grep -v "^0:" /proc/self/cgroup | cut -d: -f2) || true
  if [ -n "$v1" ]; then
    mount -t tmpfs tmpfs /sys/fs/cgroup
    for name in $v1; do
      mkdir -p "/sys/fs/cgroup/${name#name=}"
      case $name in name=*) options=none,$name ;; *) options=$name ;; esac
      mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${name#name=}"
    done
  else
    # Controllers are only given to children of a cgroup without processes.
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir -p /sys/fs/cgroup/init
    echo 0 >/sys/fs/cgroup/init/cgroup.procs
    for name in $(cat /sys/fs/cgroup/cgroup.controllers); do
      echo "+$name" >/sys/fs/cgroup/cgroup.subtree_control || true
    done
  fi
  mount -t bpf bpf /sys/fs/bpf
  mount -t tracefs tracefs /sys/kernel/tracing
  mount -t debugfs debugfs /sys/kernel/debug || true
  mount -t tmpfs tmpfs /run
  mkdir -p /run/netns /run/lock
  mount -t tmpfs tmpfs /var/log
  mount --bind "$dir/kubelet" /var/lib/kubelet
  sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.forwarding=1
  sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 || true
  touch "$dir/ready"
  exec sleep infinity' node "$dir" "$node"
