#!/usr/bin/env sh
# Take the README's picture again: the first screens of the report of a run on simulated England.
# Needs chromium on the path; no other target does. Usage: sh scripts/picture.sh <report.html>
set -eu
report=${1:?"usage: sh scripts/picture.sh results/runs/<experiment>/<run-id>/report.html"}
grep -q 'class="kind simulated"' "$report" || {
    echo "error: $report is not the report of a run on simulated England" >&2
    exit 2
}
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
    echo "error: no chromium on the path" >&2
    exit 2
}
folder=$(cd "$(dirname "$report")" && pwd)
"$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,1850 \
    --screenshot="$(dirname "$0")/../docs/images/report.png" "file://$folder/report.html" 2>/dev/null
echo "docs/images/report.png"
