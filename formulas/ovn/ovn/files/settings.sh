{%- from "ovn/map.jinja" import chassis with context -%}
{%- set mappings = [] -%}
{%- for network, bridge in chassis.bridge_mappings | dictsort -%}{%- do mappings.append(network ~ ':' ~ bridge) -%}{%- endfor -%}
{%- set ids = dict({
    'ovn-encap-type': chassis.encap.type,
    'ovn-bridge': chassis.bridge,
    'ovn-bridge-datapath-type': chassis.datapath_type,
    'ovn-bridge-mappings': mappings | join(','),
    'ovn-match-northd-version': 'true',
    'ovn-cms-options': 'enable-chassis-as-gw' if chassis.gateway else '',
}, **chassis.external_ids) -%}
#!/bin/sh
# Managed by Salt: ovn.chassis
# Tells ovn-controller, in the switch's own database, what the model says. With "check" it only ends with 0 when there is nothing to do.
set -eu

vsctl() { ovs-vsctl --timeout=30 --no-wait "$@"; }

missing=
mode=${1:-set}
setting() { # key value
	if [ "$(vsctl --if-exists get Open_vSwitch . "external_ids:$1" | tr -d '"')" != "$2" ]; then
		missing="$missing $1"
		if [ "$mode" = check ]; then
			:
		elif [ -n "$2" ]; then
			vsctl set Open_vSwitch . "external_ids:\"$1\"=\"$2\""
		else
			vsctl remove Open_vSwitch . external_ids "$1"
		fi
	fi
}

{%- if chassis.encap.get('address') %}
address={{ chassis.encap.address }}
{%- else %}
# the address from which it reaches the central databases
central=$(getent ahostsv4 {{ chassis.central.host }} | awk 'NR == 1 { print $1 }')
address=$(ip -4 -oneline route get "$central" | sed -n 's/.* src \([0-9.]*\).*/\1/p')
{%- endif %}
[ -n "$address" ]
setting ovn-encap-ip "$address"
{%- if 'ovn-remote' not in chassis.external_ids %}
host={{ chassis.central.host }}
case $host in
*.*) ;;
*)
	# ovn-controller asks for a name as it is, without the search domains that the machine has
	getent hosts "$host." >/dev/null || host=$(getent hosts "$host" | awk 'NR == 1 { print $2 }')
	;;
esac
[ -n "$host" ]
setting ovn-remote "tcp:$host:{{ chassis.central.port }}"
{%- endif %}
{%- for key, value in ids | dictsort %}
setting {{ key }} '{{ value }}'
{%- endfor %}

if [ "$mode" = check ] && [ -n "$missing" ]; then
	echo "differs:$missing"
	exit 1
fi
