#!/usr/bin/env bash
# Installs what the tests need of the system: a browser, PostgreSQL and Redis. Does nothing where they are already there.
set -euo pipefail
cd "$(dirname "$0")/.."

need=()
browser=yes
if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then
  browser=no
  # Ubuntu's chromium is a snap, which does not run in containers; there Playwright brings its own.
  if ! grep -qs '^ID=ubuntu' /etc/os-release; then need+=(chromium); fi
fi
if ! command -v initdb >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then need+=(postgresql); fi
if ! command -v redis-server >/dev/null; then need+=(redis-server); fi

if [ ${#need[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "The tests need ${need[*]}; install them with your system's package manager." >&2
    exit 1
  fi
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  echo "Installing ${need[*]} for the tests"
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends "${need[@]}" >/dev/null
fi
if [ "$browser" = no ] && ! command -v chromium >/dev/null; then
  # Quick when it is there.
  .venv/bin/python -m playwright install --with-deps chromium >/dev/null
fi
