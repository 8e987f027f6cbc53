# The first process of a node, in its own network, mount and process namespaces: makes them a node's,
# then collects orphans. $1 is the folder for the node's own files.
set -eu
node=$1

# Shared among the node's own processes, which keep it from the machine.
mount --make-rshared /

# What a reboot loses, and addresses of pods that are no more.
rm -rf "$node/run" "$node/var/lib/cni"

# Programs have these paths built in.
for path in /run/containerd /run/netns /var/lib/kubelet /var/lib/cni /var/log/containers /var/log/pods; do
  mkdir -p "$path" "$node$path"
  mount --bind "$node$path" "$path"
done

# The kubelet would set these for the whole machine: it finds here that they are as it wants them.
mkdir -p "$node/sysctl"
for pair in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  path=${pair%=*} file=$node/sysctl/$(echo "${pair%=*}" | tr / .)
  echo "${pair#*=}" >"$file"
  [ ! -e "/proc/sys/$path" ] || mount --bind "$file" "/proc/sys/$path"
done

ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
: >"$node/up"
while :; do
  sleep 3600 &
  wait $! || true
done
