#!/usr/bin/env sh
# Take a picture of the documentation again: the first screens of a page on simulated England, as
# wide as a desktop. Needs chromium on the path; no other target does.
# Usage: sh scripts/picture.sh report|comparison|findings|authority page.html
set -eu
usage="usage: sh scripts/picture.sh report|comparison|findings|authority page.html"
name=${1:?"$usage"}
page=${2:?"$usage"}
# Each ends where a section of its page does.
case $name in
    report) height=1880 ;;
    comparison) height=2010 ;;
    findings) height=1430 ;;
    authority) height=1600 ;;
    *) echo "$usage" >&2; exit 2 ;;
esac
grep -q 'class="kind simulated"' "$page" || {
    echo "error: $page is not a page on simulated England" >&2
    exit 2
}
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
    echo "error: no chromium on the path" >&2
    exit 2
}
folder=$(cd "$(dirname "$page")" && pwd)
picture="$(dirname "$0")/../docs/images/$name.png"
"$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars "--window-size=1280,$height" \
    --virtual-time-budget=4000 --screenshot="$picture" "file://$folder/$(basename "$page")" 2>/dev/null
echo "docs/images/$name.png, $(wc -c < "$picture") bytes"
