#!/usr/bin/env bash
# The sanity run: all scenarios, RUNS times (3 unless set), a log and a JUnit file a run. Needs no network and no root once jetlag is built.
# RUNS says how often; JETLAG names a jetlag that is built already; SCENARIOS names other scenarios than scenarios/.
# Exit codes: 0 all runs passed; 1 a run failed, or compared nothing; 2 what was asked for makes no sense, or jetlag can not be built.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
runs="${RUNS:-3}"
scenarios="${SCENARIOS:-scenarios}"
logs="$root/reports/dry-run-logs/fault-injection-e2e"

if ! [[ "$runs" =~ ^[1-9][0-9]*$ ]]; then
  echo "RUNS=$runs is no number of runs; write RUNS=3" >&2
  exit 2
fi
jetlag="${JETLAG:-}"
if [ -z "$jetlag" ]; then
  if ! cargo build --quiet --release --locked --package jetlag-cli --bin jetlag; then
    echo "jetlag can not be built; it takes Rust (https://rustup.rs)" >&2
    exit 2
  fi
  jetlag="${CARGO_TARGET_DIR:-target}/release/jetlag"
fi
rm -rf "$logs"
mkdir -p "$logs"

echo "Fault injection end-to-end tests"
echo "  repository  $root"
echo "  scenarios   $scenarios"
echo "  logs        $logs"
echo "  runs        $runs"
echo

passed=0
failed=0
digests=""
for i in $(seq 1 "$runs"); do
  log="$logs/run-$i.log"
  code=0
  "$jetlag" run "$scenarios" --format junit >"$logs/run-$i.xml" 2>"$log" || code=$?
  # The digest of each scenario: the same in every run.
  now="$(sed -n 's/.*name="digest" value="\([0-9a-f]*\)".*/\1/p' "$logs/run-$i.xml")"
  counted="$(sed -n 's/^\([0-9]* scenarios\{0,1\}\)[^:]*: .*; \([0-9]* lines\{0,1\} and [0-9]* checks\{0,1\}\) compared$/\1, \2/p' "$log")"
  why=""
  if [ "$code" -ne 0 ]; then
    why="jetlag exited with $code"
  elif [ -z "$counted" ] || [ -z "$now" ] || [[ "$counted" == "0 "* ]] || [[ "$counted" == *" 0 lines and 0 checks" ]]; then
    why="nothing was compared"
  elif [ -n "$digests" ] && [ "$now" != "$digests" ]; then
    why="not the digests of run 1"
  fi
  digests="${digests:-$now}"
  if [ -z "$why" ]; then
    passed=$((passed + 1))
    echo "run $i/$runs: pass  ${counted}"
  else
    failed=$((failed + 1))
    echo "run $i/$runs: FAIL  $why; see $log"
  fi
done

echo
echo "total $runs, passed $passed, failed $failed"
if [ "$failed" -gt 0 ]; then
  echo "logs: $logs" >&2
  exit 1
fi
