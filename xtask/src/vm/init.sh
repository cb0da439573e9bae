#!/usr/bin/bash
# The guest's first process. Its markers on the console ("vm: ...") are read by the host.
export PATH=/usr/bin:/opt/busybox HOME=/root LC_ALL=C TMPDIR=/tmp RUST_BACKTRACE=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
mkdir -p /run/lock
ulimit -l unlimited
ulimit -n 65536
echo 1 >/proc/sys/kernel/panic_on_oops
hostname guest
ip link set lo up
echo "vm: init-up $(uname -r)"
cd /tmp
/vm/run </dev/null 2>&1
# A line of its own, even if what ran before left one unfinished.
printf '\nvm: exit %s\n' "$?"
sync
reboot -f
