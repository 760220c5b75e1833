#!/bin/bash
# Managed by Salt: mariadb.server
# Starts a member of a Galera cluster, and decides how: `member.sh start`. Never do two members begin a cluster.
#
# All members that are not yet started tell each other what they have (at one port, as long as they live):
#   new                           no data: at most the system tables that the package makes
#   filled                        data that no cluster ever had: of a single server, put back, or of a beginning broken off
#   incomplete                    a transfer of all data to this member was broken off
#   position UUID SEQNO SAFE      its last transaction; SAFE is 1 where it was the last to leave the cluster in order
#   starting                      its server runs, and is in no cluster with a majority (yet)
#   primary                       its server is in such a cluster
# What a stopped member says does not change, and the verdict on the same answers is the same everywhere.
set -euo pipefail

config=${MEMBER_CONFIG:-/etc/mysql/member.conf}
# members=(HOST…) port=3306 state_port=4569 data=/var/lib/mysql run=/run/mysqld limit=600
[ ! -e "$config" ] || . "$config"

NONE=00000000-0000-0000-0000-000000000000

# stdin: "MEMBER ANSWER…" for each member, in their order; says "join MEMBER…", "begin MEMBER" or "wait WHY"
verdict() {
  awk '
    $2 !~ /^(new|filled|incomplete|position|starting|primary)$/ { missing = missing " " $1 }
    $2 == "primary"    { serving = serving " " $1 }
    $2 == "starting"   { starting = starting " " $1 }
    $2 == "new"        { if (!fresh) fresh = $1 }
    $2 == "filled"     { filled = filled " " $1; fillings++ }
    $2 == "incomplete" { broken = broken " " $1 }
    $2 == "position"   {
      if (uuid && uuid != $3) apart = 1
      uuid = $3
      if (!best || $4 + 0 > most) { best = $1; most = $4 + 0 }
      if ($5 == 1 && (!safe || $4 + 0 > safest)) { safe = $1; safest = $4 + 0 }
    }
    END {
      if (serving) print "join" serving
      else if (starting) print "wait for a majority at" starting
      else if (fillings > 1) print "wait for an operator: there is data of no cluster at" filled ", and one alone can begin"
      else if (filled && best) print "wait for an operator: there is data of no cluster at" filled ", and of one at " best
      else if (apart) print "wait for an operator: the members have data of different clusters"
      else if (safe && safest < most) print "wait for an operator: " safe " may begin, but " best " has later transactions"
      else if (safe) print "begin " safe
      else if (missing) print "wait for" missing ": who does not answer may have later transactions"
      else if (filled) print "begin" filled
      else if (best) print "begin " best
      else if (broken) print "wait for an operator: no member has complete data; a transfer was broken off at" broken
      else print "begin " fresh
    }'
}

saved() { sed -n "s/^$1: *//p" "$data/grastate.dat"; }

# Galera writes the number of the last transaction only when it stops in order; else it is asked of InnoDB.
recover() {
  mariadbd --wsrep-recover --disable-log-error --skip-networking 2>"$run/recovery" || { cat "$run/recovery" >&2; exit 1; }
  found=$(sed -n 's/.*WSREP: Recovered position: *//p' "$run/recovery" | tail -n 1)
  [ -n "$found" ] || { cat "$run/recovery" >&2; exit 1; }
  if [ "${found%%:*}" = "$uuid" ]; then seqno=${found#*:}; else uuid=$NONE; fi
}

find_own() {
  uuid= seqno=
  if [ -e "$data/grastate.dat" ]; then uuid=$(saved uuid) seqno=$(saved seqno); fi
  if [ "$uuid" != $NONE ] && [ "$seqno" = -1 ]; then recover; fi
  # InnoDB has no position while a cluster begins: killed then, it has what it had before
  if [ "$uuid" = $NONE ] && [ -e "$data/beginning" ]; then read -r uuid seqno <"$data/beginning" || true; fi
}

# A database besides the system's own, which every new volume has from the image.
has_databases() {
  [ -n "$(find "$data" -mindepth 1 -maxdepth 1 -type d ! -name mysql ! -name performance_schema ! -name sys \
    ! -name test ! -name '[.#]*' ! -name lost+found -print -quit)" ]
}

own() {
  if [ -z "$uuid" ]; then
    if [ -e "$data/beginning" ] || has_databases; then echo filled; else echo new; fi
  elif [ "$uuid" = $NONE ]; then
    echo incomplete
  else
    echo "position $uuid $seqno $(saved safe_to_bootstrap)"
  fi
}

say() {
  echo "$1" >"$run/member.new"
  mv "$run/member.new" "$run/member"
}

answer() {
  if [ -s "$run/view" ]; then
    read -r status primary <"$run/view"
    [ "$primary" = yes ] && echo primary || echo starting
  else
    cat "$run/member"
  fi
}

ask() { timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"; cat <&3' "$1" "$state_port" 2>/dev/null || true; }

serve() {
  while :; do
    socat "TCP-LISTEN:$state_port,fork,reuseaddr" EXEC:"/bin/bash $0 answer" 2>/dev/null || true
    sleep 1
  done
}

all_answers() {
  for member in "${members[@]}"; do
    if [ "$member" = "$me" ]; then echo "$member $(own)"; else echo "$member $(ask "$member")"; fi
  done
}

# Sets $decision. To begin, the same answers have to come twice: one of the first may have been given long before another.
decide() {
  local answers before= said= begun=$SECONDS
  while :; do
    say "$(own)"
    answers=$(all_answers)
    decision=$(verdict <<<"$answers")
    # others send their data to that name
    getent hosts "$me" >/dev/null || decision="wait until the name $me is known"
    case "$decision" in
      join*) [ "$(own)" = filled ] || return 0
        decision="wait for an operator: others are a cluster, and to join them would cost the data of $me" ;;
      "begin $me") [ "$answers" != "$before" ] || return 0 ;;
    esac
    before=$answers
    if [ "$decision" != "$said" ]; then
      printf '%s: %s\n' "$me" "$decision" >&2
      sed 's/^/  /' <<<"$answers" >&2
    fi
    said=$decision
    [ $((SECONDS - begun)) -lt "$limit" ] || { echo "$me: $decision, for $limit s already" >&2; exit 1; }
    sleep 2
  done
}

# Moved to its place when it is whole, and last what says that it is there: the folder mysql.
install_tables() {
  local new=$data/.new one
  rm -rf "$new"
  mkdir "$new"
  mariadb-install-db --datadir="$new" --auth-root-authentication-method=socket --auth-root-socket-user=root \
    --skip-test-db --wsrep-on=OFF >&2
  for one in $(ls -A "$new" | grep -vx mysql) mysql; do
    rm -rf "${data:?}/$one"
    mv "$new/$one" "$data/"
  done
  rmdir "$new"
}

# The mark stays until its server is in the cluster.
begin() {
  if [ ! -d "$data/mysql" ] && [ -z "$uuid" ] && ! has_databases; then install_tables; fi
  echo "$uuid $seqno" >"$data/beginning.new"
  mv "$data/beginning.new" "$data/beginning"
  if [ -n "$uuid" ]; then
    sed -i 's/^safe_to_bootstrap:.*/safe_to_bootstrap: 1/' "$data/grastate.dat"
  else
    rm -f "$data/grastate.dat"
  fi
}

start() {
  local words=()
  me=
  for member in "${members[@]}"; do
    [ "${member%%.*}" != "$(hostname | cut -d. -f1)" ] || me=$member
  done
  [ -n "$me" ] || { echo "$(hostname) is none of the members ${members[*]}" >&2; exit 1; }
  rm -f "$run/view" "$run/member"
  find_own
  say "$(own)"
  serve &
  decide
  # a view from before would be joined behind the back of this decision
  rm -f "$data/gvwstate.dat"
  say starting
  if [ "${decision%% *}" = begin ]; then
    echo "$me begins the cluster" >&2
    begin
    words=(--wsrep-new-cluster)
  else
    echo "$me joins ${decision#join }" >&2
    rm -f "$data/beginning"
    words=(--wsrep-cluster-address="gcomm://$(sed 's/^join //; s/ /,/g' <<<"$decision")")
  fi
  case $seqno in ''|-1) ;; *) words+=(--wsrep-start-position="$uuid:$seqno") ;; esac
  exec mariadbd --wsrep-node-address="$me" --wsrep-node-name="$me" "${words[@]}"
}

# The server calls this at each change: --status STATUS, and where the view changed --primary yes|no and more.
notify() {
  status= primary=no
  [ ! -s "$run/view" ] || read -r status primary <"$run/view"
  while [ $# -gt 1 ]; do
    case $1 in
      --status) status=${2,,} ;;
      --primary) primary=$2 ;;
    esac
    shift 2
  done
  echo "$status $primary" >"$run/view.new"
  mv "$run/view.new" "$run/view"
  if [ "$status $primary" = "synced yes" ]; then rm -f "$data/beginning"; fi
}

# A donor serves as well: else the first member would serve nobody while it gives the others its data.
ready() {
  read -r status primary <"$run/view"
  case "$status $primary" in
    "synced yes" | "donor yes") exec 3<>"/dev/tcp/127.0.0.1/$port" ;;
    *) echo "$status, in a cluster with a majority: $primary" >&2; exit 1 ;;
  esac
}

"$@"
