#!/usr/bin/bash
# Does this guest offer what the lab needs? Two pods on a bridge, a Service, a firewall, and the TC hooks.
set -euo pipefail
fail() { echo "check: FAILED: $*"; exit 1; }
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR

[ -r /sys/kernel/btf/vmlinux ] || fail "no BTF"
[ -d /sys/kernel/tracing/events/skb/kfree_skb ] || fail "no kfree_skb tracepoint"
modprobe br_netfilter
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1

ip link add cni0 type bridge
ip addr add 10.42.0.1/24 dev cni0
ip addr add fd42::1/64 dev cni0 nodad
ip link set cni0 up
for n in 2 3; do
    ip netns add "pod$n"
    ip link add "veth$n" type veth peer name eth0 netns "pod$n"
    ip link set "veth$n" master cni0 up
    ip -n "pod$n" link set lo up
    ip -n "pod$n" link set eth0 up
    ip -n "pod$n" addr add "10.42.0.$n/24" dev eth0
    ip -n "pod$n" addr add "fd42::$n/64" dev eth0 nodad
    ip -n "pod$n" route add default via 10.42.0.1
done
ip link add vxlan1 type vxlan id 1 dstport 8472 local 10.42.0.1
ip link add uplink.7 link vxlan1 type vlan id 7

tc qdisc add dev veth2 clsact
tc filter add dev veth2 ingress matchall action ok
tc qdisc add dev cni0 root netem delay 1ms
tc qdisc del dev cni0 root

iptables -w -t nat -A PREROUTING -d 10.43.0.10/32 -p tcp --dport 80 -j DNAT --to-destination 10.42.0.3:8080
iptables -w -t nat -A POSTROUTING -s 10.42.0.0/24 ! -d 10.42.0.0/16 -j MASQUERADE
ipset create admitted hash:ip family inet
ipset create admitted6 hash:ip family inet6
ipset add admitted 10.42.0.2
ip6tables-restore -w --noflush <<'RULES'
*filter
:POD - [0:0]
-A POD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A POD -p tcp -m multiport --dports 81,82 -m set ! --match-set admitted6 src -j REJECT --reject-with icmp6-adm-prohibited
-A FORWARD -d fd42::3 -j POD
COMMIT
RULES
iptables-restore -w --noflush <<'RULES'
*filter
:POD - [0:0]
-A POD -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "open ones go on" -j ACCEPT
-A POD -p tcp --dport 8081 -j REJECT --reject-with tcp-reset
-A POD -m set ! --match-set admitted src -m mark ! --mark 0x1/0x1 -j REJECT --reject-with icmp-port-unreachable
-A FORWARD -d 10.42.0.3 -j POD
COMMIT
RULES
nft add table inet lab
nft add chain inet lab forward '{ type filter hook forward priority 5; }'
nft add rule inet lab forward tcp dport 9999 reject with tcp reset

ip netns exec pod3 nc -l -p 8080 -e cat &
server=$!
answer=
for _ in {1..50}; do
    answer=$(echo hello | ip netns exec pod2 timeout 5 nc -w 3 10.43.0.10 80 2>/dev/null || true)
    [ "$answer" = hello ] && break
    sleep 0.1
done
[ "$answer" = hello ] || fail "the Service doesn't answer"
kill "$server" 2>/dev/null || true
conntrack -L 2>/dev/null | grep -q 'dport=80 ' || fail "conntrack doesn't know the connection"
if ip netns exec pod2 timeout 5 nc -w 3 10.42.0.3 8081 </dev/null 2>/dev/null; then fail "REJECT lets it pass"; fi
iptables -w -nvxL POD | grep -Eq '^ +[1-9][0-9]* .*tcp dpt:8081 .*reject-with' || fail "REJECT has seen nothing"

# The tests start with a clean node.
nft delete table inet lab
for tables in iptables ip6tables; do
    for table in filter nat; do "$tables" -w -t "$table" -F && "$tables" -w -t "$table" -X; done
done
# nf_tables lets go of a set some time after the rule is gone.
for _ in {1..50}; do
    ipset destroy 2>/dev/null && break
    sleep 0.1
done
[ -z "$(ipset list -n)" ] || fail "sets remain"
ip netns del pod2
ip netns del pod3
ip link del vxlan1
ip link del cni0
echo "check: this guest offers what the lab needs"
