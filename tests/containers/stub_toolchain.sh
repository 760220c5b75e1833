#!/bin/sh
# Stands in for the toolchain's Python where only the image machinery is under test: installs the packages that the
# request's chunks name in "pkgs", copies the formula files, and writes an SBOM of what dpkg says.
set -e
request=/media/request.json
[ "$*" = "-I -S -B /mnt/worker apply $request" ] || { echo "wrong arguments: $*" >&2; exit 9; }
names=$(sed -n 's/^ *"install": "\(.*\)",*$/\1/p' "$request")
if [ -n "$names" ]; then
    apt-get -qq update
    # shellcheck disable=SC2086
    if ! DEBIAN_FRONTEND=noninteractive apt-get -qq install -y $names >&2; then
        echo '{"id": 1, "ok": false, "results": [{"id": "packages", "function": "pkg.installed", "ok": false, "comment": "cannot install '"$names"'"}]}'
        exit 1
    fi
fi
pause=$(sed -n 's/^ *"sleep": \([0-9]*\),*$/\1/p' "$request")
if [ "${pause:-0}" != 0 ]; then
    echo sleeping
    sleep "$pause"
fi
cp -a /media/formulas /opt/formulas
rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/cache/ldconfig/aux-cache
mkdir -p /usr/share/saltern
{
    printf '{"spdxVersion": "SPDX-2.3", "packages": [{"name": "image", "versionInfo": "1"}'
    # shellcheck disable=SC2016
    dpkg-query -W -f ', {"name": "${Package}", "versionInfo": "${Version}", "externalRefs": [{"referenceLocator": "pkg:deb/debian/${Package}@${Version}"}]}'
    printf ']}\n'
} >/usr/share/saltern/sbom.spdx.json
echo leftover >/tmp/leftover
echo '{"id": 1, "ok": true, "results": []}'
