#!/bin/sh
# Made by `tallystick ingest allow-list rules` from the published list of 2025-06-01T00:00:00Z, 3 networks.
# Run it as root. Rules of an older list, known by their comment, are taken away first;
# let ufw deny by default, so that nothing is open in between.
set -eu
ufw status numbered |
    sed -n 's/^\[ *\([0-9][0-9]*\)\].*# tallystick-stripe$/\1/p' | sort -rn |
    while read -r number; do ufw --force delete "$number"; done
ufw status | grep -q '^Status: active' ||
    echo 'ufw is off and does not show its rules: run this again once it is on,' \
        'or addresses of an older list stay allowed' >&2
ufw allow proto tcp from 192.0.2.1 to any port 443 comment 'tallystick-stripe'
ufw allow proto tcp from 192.0.2.64/26 to any port 443 comment 'tallystick-stripe'
ufw allow proto tcp from 2001:db8::1 to any port 443 comment 'tallystick-stripe'
ufw deny proto tcp from any to any port 443 comment 'tallystick-stripe'
