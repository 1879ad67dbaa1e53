#!/bin/sh
# The first process of a guest. LAB names the directory that is shared with the host (boot.py lists the files in it);
# LAB_MODE is "uml" (we are init of a private kernel) or "host" (we run in fresh namespaces of the machine's own kernel).
# It never exits under UML: boot.py ends the kernel once it has read the status, because minimal systems have no halt.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
export TMPDIR=/var/tmp/lab

fail() {
    echo "lab: $1"
    echo "$1" >"$LAB/failure"
    exec sleep 3600
}

modules="ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_lblc ip_vs_lblcr ip_vs_dh ip_vs_sh ip_vs_sed ip_vs_nq ip_vs_fo
    ip_vs_ovf ip_vs_mh ip_vs_pe_sip nf_conntrack veth bridge dummy ipip ip_gre fou ipv6 ip6_tunnel tun macvlan
    sch_ingress sch_netem cls_matchall cls_u32 act_skbedit"

if [ "$LAB_MODE" = uml ]; then
    # The root file system is the host's, read-only; only these and the shared directory can be written.
    mkdir -p /dev/shm
    mount -t proc none /proc
    mount -t sysfs none /sys
    mount -t hostfs -o "$LAB" none "$LAB" || fail "the guest cannot mount $LAB, which it shares with the host"
    for directory in /run /var/tmp /dev/shm; do
        mount -t tmpfs none "$directory" || fail "the guest cannot mount a tmpfs on $directory"
    done
    # modprobe wants lib/modules under one root; the kernel's own requests (request_module) then go the same way.
    mkdir -p /var/tmp/modules/lib
    ln -s /usr/lib/uml/modules /var/tmp/modules/lib/modules
    modprobe=/var/tmp/modules/modprobe
    printf '#!/bin/sh\nexec /sbin/modprobe -d /var/tmp/modules "$@"\n' >$modprobe
    chmod 755 $modprobe
    echo $modprobe >/proc/sys/kernel/modprobe
else
    mount -t tmpfs none /run || fail "the lab cannot mount a tmpfs on /run in a mount namespace of its own"
    mount -t sysfs none /sys || fail "the lab cannot mount sysfs for a network namespace of its own"
    TMPDIR=$LAB/tmp
    modprobe=$(cat /proc/sys/kernel/modprobe)
fi
export HYPOTHESIS_STORAGE_DIRECTORY="$TMPDIR/hypothesis"
mkdir -p /run/netns "$TMPDIR"
# shellcheck disable=SC2086 # a list of words
missing=$($modprobe -a $modules 2>&1) ||
    fail "this kernel lacks what the lab needs: $(echo "$missing" | sed 's/.*Module \([^ ]*\) not found.*/\1/' | tr '\n' ' ')"
ip link set lo up || fail "the guest cannot bring its loopback device up"
cd "$(cat "$LAB/directory")" || fail "the guest cannot enter the directory that its command was started from"
echo yes >"$LAB/booted"

set -a
. "$LAB/environment"
set +a
sh "$LAB/command" </dev/null >>"$LAB/stdout" 2>>"$LAB/stderr"
echo $? >"$LAB/status.partial"
mv "$LAB/status.partial" "$LAB/status"
exec sleep 3600
