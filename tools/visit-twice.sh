#!/usr/bin/env bash
# Visits a deployed page twice, as a browser does, at each of its addresses. Fails unless each second count is one more
# than the first: tools/visit-twice.sh URL..., or sam list stack-outputs --output json | tools/visit-twice.sh
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

urls=${*:-$(python3 -c 'import json, sys
print(*[output["OutputValue"] for output in json.loads(sys.stdin.read() or "[]")
        if output["OutputKey"] in ("PageUrl", "HttpApiUrl", "DomainUrl")])')}
if [ -z "$urls" ]; then
  echo "There is no address among the stack's outputs." >&2
  exit 1
fi

# Prints the count on the page. The answer goes to a file, which curl empties before it tries again.
visit() {
  if ! curl --silent --show-error --fail-with-body --compressed --max-time 20 --output "$folder/answer" \
    --cookie "$folder/jar" --cookie-jar "$folder/jar" --header 'Accept: text/html,*/*;q=0.8' "$@" "$url" ||
    ! sed -nE 's|.*<h1><small>Page Count:</small> <b>([0-9]+)</b></h1>.*|\1|p' "$folder/answer" | grep .; then
    echo "$url did not answer with a count. It answered: $(head -c 500 "$folder/answer" 2>/dev/null)" >&2
    return 1
  fi
}

failed=0
for url in $urls; do # a URL has no spaces
  rm -f "$folder/jar" "$folder/answer"
  # A new Function URL refuses every request for its first few seconds.
  if first=$(visit --retry "${RETRIES:-12}" --retry-delay 5 --retry-all-errors) && second=$(visit); then
    echo "$url counted $first, then $second."
    ((second != first + 1)) || continue
    echo "The second count must be one more than the first. The cookie jar after the second visit:" >&2
    cat "$folder/jar" >&2
  fi
  failed=1
done
exit $failed
