# Removes what real nodes leave outside their run's folder ($1) once their processes are dead: the link to
# their network, and cgroups. Mounts, interfaces and namespaces went with the processes.
read -r name <"$1/nodes/name" || exit 0
case $name in tenantry[0-9]*) ;; *) exit 0 ;; esac
ip link delete "$name" 2>/dev/null
round=0
while [ $round -lt 100 ]; do
  round=$((round + 1)) left=
  for group in /sys/fs/cgroup/"$name" /sys/fs/cgroup/*/"$name"; do
    [ -d "$group" ] || continue
    for pid in $(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null); do
      [ "$pid" -gt 1 ] && kill -KILL "$pid" 2>/dev/null
    done
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
    [ ! -d "$group" ] || left=1
  done
  [ "$left" ] || exit 0
  sleep 0.1
done
