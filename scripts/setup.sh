#!/usr/bin/env sh
# Create .venv from the hashed lock file. Does nothing when .venv already matches it.
# Run by every make target that needs Python; safe to run by hand.
set -eu
cd "$(dirname "$0")/.."

hash_of() { "$1" -c 'import hashlib, sys
print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' requirements.lock; }

# The first interpreter that runs and is new enough. A pyenv shim may exist and not run, so each is tried.
find_python() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(not ((3, 12) <= sys.version_info[:2] <= (3, 13)))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

stamp=.venv/.lock-hash
if [ -x .venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(hash_of .venv/bin/python)" ]; then
    exit 0
fi

python=$(find_python) || {
    cat >&2 <<'MESSAGE'
error: no usable Python found. This project needs Python 3.12 or 3.13 (PyMC 6 does not run on older ones).
  tried: $PYTHON, python3, python3.13, python3.12
  remedies, any one of them:
    pyenv install 3.13            (.python-version then selects it in this folder)
    apt install python3.12-venv   (Debian or Ubuntu releases that carry it), or brew install python@3.13
    make PYTHON=/path/to/python3.13 ...
MESSAGE
    exit 2
}

echo "Setting up .venv with $("$python" --version) (once; about a minute) ..." >&2
rm -rf .venv
"$python" -m venv .venv || {
    echo "error: '$python -m venv' failed. On Debian or Ubuntu: apt install python3-venv (the package of the same Python version)." >&2
    exit 2
}
.venv/bin/python -m pip install -qq --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
hash_of .venv/bin/python > "$stamp"
echo "Set-up done." >&2
