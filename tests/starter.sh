#!/usr/bin/env bash
# Does to a copy of this repository what README.md says under "Start your own function from this", and
# holds what is left to what is said there.
set -euo pipefail
cd "$(dirname "$0")/.."

steps=$(sed -n '/^## Start your own function/,/^## /p' README.md | sed -n '/^```sh$/,/^```$/p' | sed '1d;$d')
[ -n "$steps" ]

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | xargs -0 cp --parents --target-directory "$copy"
# The tools and what has been compiled are shared, to save minutes.
ln -s "$PWD/.tools" "$copy/.tools"
export CARGO_TARGET_DIR="$PWD/target"
cd "$copy"
git init --quiet
git add --all
git -c user.name=starter -c user.email=starter@example.com commit --quiet --message "The clone"

bash -euo pipefail -c "$steps"

cargo fmt --check
cargo clippy --quiet --all-targets --locked -- -D warnings
cargo test --quiet --locked
port=$((20000 + RANDOM % 10000))
cargo lambda watch --ignore-changes --invoke-address 127.0.0.1 --invoke-port $port &
watch=$!
trap 'kill $watch; wait $watch || true; rm -rf "$copy"' EXIT
for _ in $(seq 100); do (: <>/dev/tcp/127.0.0.1/$port) 2>/dev/null && break; sleep 0.1; done
answer=$(cargo lambda invoke --invoke-address 127.0.0.1 --invoke-port $port --data-file events/first_visit.json)
[[ $answer == *'"body":"Hello"'* ]] || { echo "not a greeting: $answer"; exit 1; } >&2
