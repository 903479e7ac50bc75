#!/bin/busybox sh
# Init of the lab's guest: the whole user land is busybox in an initial RAM disk.
# NoCloud seed → hostname and fixed addresses; DHCP on every other interface; a status on the serial console; the power button.
# Nothing is kept over a reboot: each boot is a first boot.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
exec </dev/ttyS0 >/dev/ttyS0 2>&1

# Kept, so that one who attaches to the console later can see it: a serial line has no memory.
announce() { echo "caplv-guest $*" | tee -a /run/announcements; }

# Name order is load order: a module comes after those it needs.
for module in /modules/*.ko; do insmod "$module"; done

# --- seed -----------------------------------------------------------------------------------------------------------

# seed_value FILE KEY: a top-level scalar of a YAML (or one-line JSON) file, without its quotes.
seed_value() {
  [ -r "/seed/$1" ] || return 0
  sed -n "s/^[{ ]*\"\{0,1\}$2\"\{0,1\}:[[:space:]]*\"\{0,1\}'\{0,1\}\([^\"',}[:space:]]*\).*/\1/p" "/seed/$1" | head -n 1
}

# The drive may answer later than its driver loads, and many guests have no seed: a short wait.
tries=0
until seed=$(findfs LABEL=cidata 2>/dev/null || findfs LABEL=CIDATA 2>/dev/null); do
  tries=$((tries + 1))
  [ $tries -lt 15 ] || break
  usleep 100000
done
[ -z "$seed" ] || mount -t iso9660 -o ro "$seed" /seed

name=$(seed_value user-data hostname)
[ -n "$name" ] || name=$(seed_value meta-data local-hostname)
[ -n "$name" ] || name=$(seed_value meta-data hostname)
[ -n "$name" ] || name=caplv-guest
instance=$(seed_value meta-data instance-id)
hostname "$name"
echo "$name" >/etc/hostname
echo "127.0.0.1 localhost $name" >/etc/hosts
announce "hostname: $name"
announce "instance-id: ${instance:-none}"

# --- power button ---------------------------------------------------------------------------------------------------

for event in /sys/class/input/event*; do
  grep -q 'Power Button' "$event/device/name" || continue
  (
    dd if="/dev/input/${event##*/}" of=/dev/null bs=24 count=1 2>/dev/null
    announce "powering off"
    sync
    poweroff -f
  ) &
done

# --- network --------------------------------------------------------------------------------------------------------

# fixed_network MAC: the first address, the gateway and the name server that the network configuration of the seed (version 2, as
# JSON with a line for each value) has for the interface; nothing if it is to ask for a lease.
fixed_network() {
  [ -r /seed/network-config ] || return 0
  awk -F'"' -v mac="$1" '
    $2 == "macaddress" { mine = $4 == mac; list = "" }
    !mine { next }
    $2 == "gateway4" { via = $4 }
    $2 == "nameservers" { list = "nameservers"; next }
    $2 == "addresses" { if (list != "nameservers") list = "addresses"; next }
    NF == 3 && list == "addresses" && !address { address = $2 }
    NF == 3 && list == "nameservers" && !server { server = $2 }
    END { if (address) print address, via, server }
  ' /seed/network-config
}

ip link set lo up
for interface in /sys/class/net/e*; do
  [ -e "$interface" ] || continue
  interface=${interface##*/}
  ip link set "$interface" up
  fixed=$(fixed_network "$(cat "/sys/class/net/$interface/address")")
  if [ -n "$fixed" ]; then
    set -- $fixed
    ip address add "$1" dev "$interface"
    [ -z "$2" ] || ip route add default via "$2" dev "$interface"
    echo "${1%/*}" >"/run/lease.$interface"
    announce "$interface: $1 from the seed, gateway ${2:-none}, name server ${3:-none}"
    continue
  fi
  # Asks again each second until there is an answer, stays, and renews the lease.
  udhcpc -i "$interface" -x "hostname:$name" -s /bin/on-lease -f -t 5 -T 1 -A 1 >/dev/null 2>&1 &
done

# --- console --------------------------------------------------------------------------------------------------------

status() {
  echo
  echo "caplv-guest status"
  echo "  hostname     $name"
  echo "  instance-id  ${instance:-none}"
  for lease in /run/lease.*; do
    [ -e "$lease" ] && echo "  ${lease#/run/lease.}         $(cat "$lease")"
  done
  echo "  cpus         $(nproc)"
  echo "  memory       $(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024)) MiB"
  for disk in /sys/block/vd* /sys/block/sd*; do
    [ -e "$disk" ] && echo "  ${disk#/sys/block/}          $(($(cat "$disk/size") / 2048)) MiB"
  done
  echo "  uptime       $(cut -d. -f1 /proc/uptime) s"
  sed 's/^/  /' /run/announcements
  echo "Enter shows this again; anything else is run by sh. Leave virsh console with Ctrl-]."
}

# User data that is a script runs once the first address is there; of cloud-config only `hostname` is understood.
user_data() {
  [ -r /seed/user-data ] || return 0
  case $(head -c 2 /seed/user-data) in '#!') ;; *) return 0 ;; esac
  until ls /run/lease.* >/dev/null 2>&1; do usleep 200000; done
  cp /seed/user-data /run/user-data && chmod 700 /run/user-data && /run/user-data
  announce "user-data: exit $?"
}
user_data &

while :; do
  IFS= read -r line || { sleep 1; continue; }
  if [ -z "$line" ]; then status; else sh -c "$line"; fi
done
