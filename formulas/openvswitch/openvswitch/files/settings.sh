{%- from "openvswitch/map.jinja" import switch with context -%}
{#- With user-space forwarding an end of a veth, or the tap of a guest, hands over packets whose checksum (and segments) its kernel
leaves to the hardware. Only with this setting the switch takes note of it, and does what is left. -#}
{%- set other = dict({'userspace-tso-enable': 'true'} if switch.datapath_type == 'netdev' else {}, **switch.other_config) -%}
#!/bin/sh
# Managed by Salt: openvswitch.switch
# Brings the switch's own database to what the model says, and with "addresses" the devices of its bridges, which are there as
# soon as the switch forwards. With "check" after it, it only ends with 0 when there is nothing to do.
set -eu

vsctl() { ovs-vsctl --timeout=30 --no-wait "$@"; }

missing=
setting() { # column key value
	if [ "$(vsctl --if-exists get Open_vSwitch . "$1:$2" | tr -d '"')" != "$3" ]; then
		missing="$missing $1:$2"
		[ "$mode" = check ] || vsctl set Open_vSwitch . "$1:\"$2\"=\"$3\""
	fi
}

bridge() { # name
	if [ "$(vsctl --if-exists get Bridge "$1" datapath_type | tr -d '"')" != {{ switch.datapath_type }} ]; then
		missing="$missing bridge:$1"
		[ "$mode" = check ] || vsctl --may-exist add-br "$1" -- set Bridge "$1" datapath_type={{ switch.datapath_type }}
	fi
}

port() { # bridge name
	if [ "$(vsctl port-to-br "$2" 2>/dev/null)" != "$1" ]; then
		missing="$missing port:$2"
		[ "$mode" = check ] || vsctl --may-exist add-port "$1" "$2"
	fi
}

address() { # bridge address
	if ! ip -oneline address show dev "$1" up 2>/dev/null | grep -q -F " $2 "; then
		missing="$missing address:$1"
		[ "$mode" = check ] && return
		waited=0
		until ip link set dev "$1" up 2>/dev/null || [ "$waited" -ge 60 ]; do
			sleep 1
			waited=$((waited + 1))
		done
		ip address replace "$2" dev "$1"
	fi
}

what=database
if [ "${1:-}" = addresses ]; then
	what=addresses
	shift
fi
mode=${1:-set}

if [ $what = addresses ]; then
	:
{%- for name, bridge in switch.bridge | dictsort %}
{%- for one in bridge.get('addresses', []) %}
	address {{ name }} {{ one }}
{%- endfor %}
{%- endfor %}
else
	[ "$mode" = check ] || vsctl init
	setting external_ids system-id {{ switch.system_id }}
	setting external_ids hostname {{ switch.hostname }}
{%- for key, value in other | dictsort %}
	setting other_config {{ key }} '{{ value }}'
{%- endfor %}
	if [ "$(vsctl get-manager)" != ptcp:{{ switch.bind.port }}:{{ switch.bind.address }} ]; then
		missing="$missing manager"
		[ "$mode" = check ] || vsctl set-manager ptcp:{{ switch.bind.port }}:{{ switch.bind.address }}
	fi
{%- for name, bridge in switch.bridge | dictsort %}
	bridge {{ name }}
{%- for port in bridge.get('ports', []) %}
	port {{ name }} {{ port }}
{%- endfor %}
{%- endfor %}
fi

if [ "$mode" = check ] && [ -n "$missing" ]; then
	echo "differs:$missing"
	exit 1
fi
