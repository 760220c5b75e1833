{%- from "rabbitmq/map.jinja" import server with context -%}
#!/bin/bash
# Managed by Salt: rabbitmq.server
# Starts a member of a cluster: `member.sh start`. A member without data waits until another one serves, and joins it.
# Only the first of them begins a new cluster, and only when all others say that they have no data either: never two
# clusters, and no new one beside an old one whose members happen to be down.
set -eu

members=({{ server.cluster.members | join(' ') }})
amqp={{ server.bind.port }}
waiting={{ server.cluster.get('port', 25673) }}
mnesia={{ server.home }}/mnesia
config={{ server.config_dir }}/rabbitmq.conf
limit=300

serves() { timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$amqp" 2>/dev/null; }
is_new() { [ "$(timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"; cat <&3' "$1" "$waiting" 2>/dev/null)" = new ]; }

# RabbitMQ makes the folder first. A member has stores of messages (with Mnesia and with Khepri), or its schema knows
# another member; a schema of itself alone is what 4.0 leaves of a join that was broken off.
has_data() {
  [ -e "$data/msg_stores" ] || grep -qsaF "${others[@]/#/-erabbit@}" "$data/schema.DAT" "$data/cluster_nodes.config"
}

# Sets those that serve: none where this one begins.
wait_for_others() {
  local begun=$SECONDS said= missing now
  while :; do
    serving=() missing=()
    for other in "${others[@]}"; do
      if serves "$other"; then serving+=("$other"); elif ! is_new "$other"; then missing+=("$other"); fi
    done
    [ -z "${serving[*]-}" ] || return 0
    [ "$me" = "${members[0]}" ] || missing=("${members[0]}")
    [ -n "${missing[*]-}" ] || return 0
    now="$me has no data and waits for ${missing[*]}"
    [ "$now" = "$said" ] || echo "$now" >&2
    said=$now
    [ $((SECONDS - begun)) -lt $limit ] || { echo "$now, $limit s already" >&2; exit 1; }
    sleep 1
  done
}

# The configuration for a first start, which joins those that serve and nobody else. Alone it begins.
first_config() {
  local number=0 one
  sed '/^cluster_formation\.classic_config/d' "$config"
  for one in "$me" "$@"; do
    number=$((number + 1))
    echo "cluster_formation.classic_config.nodes.$number = rabbit@$one"
  done
}

start() {
  me= others=()
  for member in "${members[@]}"; do
    if [ "${member%%.*}" = "$(hostname | cut -d. -f1)" ]; then me=$member; else others+=("$member"); fi
  done
  [ -n "$me" ] || { echo "$(hostname) is none of the members ${members[*]}" >&2; exit 1; }
  data=$mnesia/rabbit@$me
  if ! has_data; then
    socat "TCP-LISTEN:$waiting,fork,reuseaddr" SYSTEM:'echo new' &
    trap "kill $!" EXIT
    wait_for_others
    kill $!
    trap - EXIT
    rm -rf "$data"
    RABBITMQ_CONFIG_FILE=$(mktemp -d)/rabbitmq.conf
    first_config "${serving[@]}" >"$RABBITMQ_CONFIG_FILE"
    export RABBITMQ_CONFIG_FILE
  fi
  exec /usr/sbin/rabbitmq-server
}

"$@"
