#!/usr/bin/env bash
# Visits a deployed page twice with one cookie jar, and fails unless the second count is one more than the first:
# tools/visit-twice.sh URL
set -euo pipefail
url=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Prints the count. The answer goes to a file, which curl empties before it tries again.
visit() {
  if ! curl --silent --show-error --fail-with-body --max-time 20 --output "$folder/answer" \
    --cookie "$folder/jar" --cookie-jar "$folder/jar" --header 'Accept: text/plain' "$@" "$url" ||
    ! grep -xE '[0-9]+' "$folder/answer"; then
    echo "$url did not answer with a count. It answered: $(head -c 500 "$folder/answer" 2>/dev/null)" >&2
    return 1
  fi
}

# A new Function URL refuses every request for its first few seconds.
first=$(visit --retry 12 --retry-delay 5 --retry-all-errors)
second=$(visit)
echo "$url counted $first, then $second."
if ((second != first + 1)); then
  echo "The second count must be one more than the first. The cookie jar after the second visit:" >&2
  cat "$folder/jar" >&2
  exit 1
fi
