{%- from "rabbitmq/map.jinja" import server with context -%}
#!/bin/bash
# Managed by Salt: rabbitmq.server
# Starts a member of a cluster. A member without data waits until another one serves, and joins it. Only the first of
# them begins a new cluster, and only when all others say that they have no data either: never two clusters, and no new
# one beside an old one whose members happen to be down.
set -eu

members=({{ server.cluster.members | join(' ') }})
amqp={{ server.bind.port }}
waiting={{ server.cluster.get('port', 25673) }}
limit=300

me=
for member in "${members[@]}"; do
  [ "${member%%.*}" != "$(hostname | cut -d. -f1)" ] || me=$member
done
[ -n "$me" ] || { echo "$(hostname) is none of the members ${members[*]}" >&2; exit 1; }

serves() { timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$amqp" 2>/dev/null; }
is_new() { [ "$(timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"; cat <&3' "$1" "$waiting" 2>/dev/null)" = new ]; }

begun=$SECONDS
said=
if [ ! -e {{ server.home }}/mnesia/"rabbit@$me" ]; then
  socat "TCP-LISTEN:$waiting,fork,reuseaddr" SYSTEM:'echo new' &
  listener=$!
  while :; do
    missing=()
    for other in "${members[@]}"; do
      [ "$other" != "$me" ] || continue
      ! serves "$other" || break 2
      is_new "$other" || missing+=("$other")
    done
    [ "$me" = "${members[0]}" ] || missing=("${members[0]}")
    [ -n "${missing[*]-}" ] || break
    now="$me has no data and waits for ${missing[*]}"
    [ "$now" = "$said" ] || echo "$now" >&2
    said=$now
    [ $((SECONDS - begun)) -lt $limit ] || { echo "$now, $limit s already" >&2; exit 1; }
    sleep 1
  done
  kill "$listener"
fi
exec /usr/sbin/rabbitmq-server
