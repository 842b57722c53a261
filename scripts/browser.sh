#!/usr/bin/env sh
# Make ready what `make test-browser` needs: Chromium, npm, and axe-core as pinned in
# tests/browser/package-lock.json, below build/browser. Says what cannot be had; the tests then skip.
set -eu
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null 2>&1; }

wanted=""
have chromium || have chromium-browser || have chrome || wanted="chromium"
have npm || wanted="$wanted npm"
if [ -n "$wanted" ]; then
    # Only where packages may be installed without asking anybody.
    if have apt-get && [ "$(id -u)" = 0 ]; then
        # shellcheck disable=SC2086
        (apt-get update -qq && apt-get install -y -qq --no-install-recommends $wanted) >/dev/null 2>&1 || true
    fi
    for name in $wanted; do
        have "$name" || echo "$name is not installed: install it with your package manager"
    done
fi

target=build/browser
if have npm && ! cmp -s tests/browser/package-lock.json "$target/package-lock.json"; then
    rm -rf "$target"
    mkdir -p "$target"
    cp tests/browser/package.json tests/browser/package-lock.json "$target"
    (cd "$target" && npm ci --silent --no-audit --no-fund --ignore-scripts) || {
        # Without the stamp the next call tries again.
        rm -f "$target/package-lock.json"
        echo "axe-core could not be installed: accessibility tests will be skipped"
    }
fi
