# Gives a node, in the namespaces that node.sh made, file systems of its own, and then holds them. What would change the
# machine goes to files below DATA.
# usage: inside.sh CLUSTER DATA NODE    (CLUSTER: the cluster's directory in /run; DATA: the node's)
cluster=$1 data=$2 node=$3
hostname "$node"
mount --make-rshared /
mount -t sysfs sysfs /sys
v1=$(grep -v '^0:' /proc/self/cgroup | cut -d: -f2) || true
if [ -n "$v1" ]; then
  mount -t tmpfs tmpfs /sys/fs/cgroup
  for name in $v1; do
    mkdir -p "/sys/fs/cgroup/${name#name=}"
    case $name in name=*) options=none,$name ;; *) options=$name ;; esac
    mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${name#name=}"
  done
else
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  for name in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$name" >/sys/fs/cgroup/cgroup.subtree_control || true
  done
fi
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug || true
# A /run of its own, in which only the cluster's directory is the machine's.
mkdir -p "$data/run" "$data/lib/kubelet"
mount -t tmpfs tmpfs "$data/run"
mkdir -p "$data/run/netns" "$data/run/lock" "$data/run/${cluster#/run/}"
mount --bind "$cluster" "$data/run/${cluster#/run/}"
mount --rbind "$data/run" /run
mount -t tmpfs tmpfs /var/log
mount --bind "$data/lib" /var/lib
# The kubelet sets these for the whole machine: here it finds files.
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys \
  kernel/keys/root_maxbytes; do
  [ -e "/proc/sys/$name" ] || continue
  mkdir -p "$data/sysctl/${name%/*}"
  cat "/proc/sys/$name" >"$data/sysctl/$name"
  mount --bind "$data/sysctl/$name" "/proc/sys/$name"
done
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.forwarding=1
sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
touch "$data/ready"
exec sleep infinity
