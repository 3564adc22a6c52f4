#!/usr/bin/env bash
# fuzz.sh BUILD SECONDS: run every fuzzer for that long, beginning with its committed corpus. New
# inputs stay in BUILD/corpus; a crash ends the run and leaves its input there.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
seconds=$2
for source in fuzz/*_fuzz.cc; do
  name=$(basename "$source" _fuzz.cc)
  found=$build/corpus/$name
  mkdir -p "$found"
  echo "fuzz: $name for $seconds s"
  "$build/bin/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$found/" "$found" "fuzz/corpus/$name" 2>&1 |
    grep -E 'ERROR|SUMMARY|DONE|number_of_executed_units|artifact|runtime error' || true
  if ls "$found"/crash-* "$found"/leak-* "$found"/timeout-* >/dev/null 2>&1; then exit 1; fi
done
