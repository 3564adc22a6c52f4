#!/usr/bin/env bash
# setup.sh [MORE ...]: installs the Debian packages that are missing (tools/packages.txt, and those
# named), after saying what and how long. Does nothing, and asks nothing, when all are here.
set -euo pipefail
cd "$(dirname "$0")/.."

packages="$(grep -v '^#' tools/packages.txt) $*"
missing=$(for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
done)
cores=$(nproc)
builds="builds in about $(( (16 + cores - 1) / cores )) minutes on $cores cores"
if [ -z "$missing" ]; then
  [ -x build/release/engram ] || echo "engram: every package is here; $builds"
  exit 0
fi

sudo=''
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "engram: needs root or sudo for: $missing" >&2; exit 1; }
  sudo=sudo
fi
count=$(echo "$missing" | wc -w)
echo "engram: needs $count packages that are not here (apt-get, up to 400 MB); $builds"
echo "engram: installing" $missing
mkdir -p build
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends $missing >build/setup.log 2>&1 ||
  { tail -20 build/setup.log >&2; exit 1; }
