#!/bin/busybox sh
# Called by udhcpc with the event as argument and the lease in variables.
case $1 in
  deconfig)
    ip address flush dev "$interface"
    rm -f "/run/lease.$interface"
    ;;
  bound | renew)
    ip address replace "$ip/$mask" dev "$interface"
    # The first interface is the preferred way out.
    [ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface" metric $((100 + $(cat "/sys/class/net/$interface/ifindex")))
    : >/etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
    echo "$ip" >"/run/lease.$interface"
    [ "$1" = renew ] || echo "caplv-guest ready: $(hostname) $ip" | tee -a /run/announcements >/dev/ttyS0
    ;;
esac
