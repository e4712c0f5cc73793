#!/bin/bash
# Proves the set-up from nothing: a bare Debian 13 with python3 and make, a clone of what is committed here, one command.
#
#   tests/fresh_machine.sh [COMMAND...]      default: make demo
#
# The machine is a folder with mount and process namespaces of its own, entered by pivot_root; a container would not do, since an
# engine with gVisor has to start inside. It shares the network. Only the bare Debian is kept from one time to the next.
set -euo pipefail

suite=trixie
mirror=http://deb.debian.org/debian
checkout=$(cd "$(dirname "$0")/.." && pwd)
cache=${SELFSMITH_FRESH_CACHE:-/var/cache/selfsmith}
command=("$@")
[ ${#command[@]} -gt 0 ] || command=(make demo)

if [ "$(id -u)" -ne 0 ]; then
    echo "A fresh machine can be made by root only: sudo make fresh-machine" >&2
    exit 1
fi
for program in debootstrap git unshare; do
    command -v "$program" > /dev/null || { echo "Missing: $program. Install it: apt-get install debootstrap git util-linux" >&2; exit 1; }
done

# Inside the namespaces: mount what a kernel gives every machine, change the root, run the command. All that is mounted or
# started here ends with the namespaces. `$1` is the new root, the rest the command.
inside='
set -euo pipefail
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/old"
cd "$root"
pivot_root . old
umount -l /old
rmdir /old
cd /srv/selfsmith
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
'

make_bare_debian() {
    local tarball=$cache/$suite-$(dpkg --print-architecture).tar
    if [ ! -f "$tarball" ]; then
        echo "Making the bare Debian once (kept in $tarball)"
        mkdir -p "$cache"
        debootstrap --variant=minbase --include=python3,make "$suite" "$machine" "$mirror" > "$cache/debootstrap.log"
        tar -C "$machine" --one-file-system -cf "$tarball.part" .
        mv "$tarball.part" "$tarball"
        return
    fi
    tar -C "$machine" -xf "$tarball"
}

# What any new machine is given by whoever sets it up: names, the network's certificates and how apt reaches its servers.
introduce_to_network() {
    cp --dereference /etc/resolv.conf "$machine/etc/resolv.conf"
    mkdir -p "$machine/usr/local/share/ca-certificates"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$machine/usr/local/share/ca-certificates/" \;
    grep -lE 'Acquire::(Check-|http|https)' /etc/apt/apt.conf.d/* 2> /dev/null | xargs -r cp -t "$machine/etc/apt/apt.conf.d/" || true
}

machine=$(mktemp -d /var/tmp/selfsmith-fresh-XXXXXX)
trap 'rm -rf --one-file-system "$machine"' EXIT
chmod 755 "$machine"
make_bare_debian
introduce_to_network
git clone --quiet --no-hardlinks "$checkout" "$machine/srv/selfsmith"
echo "Fresh machine: Debian $(cat "$machine/etc/debian_version") with $(chroot "$machine" python3 --version), commit $(git -C "$checkout" rev-parse --short HEAD): ${command[*]}"
unshare --mount --pid --fork --kill-child --propagation private bash -c "$inside" fresh "$machine" "${command[@]}"
