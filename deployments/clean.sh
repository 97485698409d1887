#!/usr/bin/env bash
# Lists what set-up, tests and tools made and can make again, with sizes; deletes it with YES=1. The lake is never touched.
set -euo pipefail
cd "$(dirname "$0")/.."

found=()
while IFS= read -r path; do found+=("$path"); done < <(
    find . -maxdepth 1 \( -name .venv -o -name build -o -name dist -o -name '*.egg-info' -o -name .pytest_cache \
        -o -name .ruff_cache -o -name .hypothesis \) -print
    find . \( -path ./.venv -o -path ./.git -o -path ./lake \) -prune -o -type d -name __pycache__ -print
)
if [ ${#found[@]} -eq 0 ]; then
    echo "clean: nothing to delete."
    exit 0
fi
du -sh "${found[@]}"
if [ "${YES:-}" = 1 ]; then
    rm -rf "${found[@]}"
    echo "clean: deleted the above."
else
    echo "clean: nothing deleted; make clean YES=1 deletes the above. The lake (finished artifacts) stays either way."
fi
