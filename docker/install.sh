#!/bin/sh
# install.sh PIP LOCK [VENV]: install a lock with the pip of a virtual environment, into it or into
# another one, without the packages' tests and C headers.
#
# Settings and certificates of the machine that builds may come as secrets: no layer keeps them.
set -eu
venv=${3:-$1}
secrets=/run/secrets
if [ -s "$secrets/pip.conf" ]; then export PIP_CONFIG_FILE="$secrets/pip.conf"; fi
if [ -s "$secrets/ca.crt" ]; then export PIP_CERT="$secrets/ca.crt"; fi
export PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

"$1/bin/python" -m pip --python "$venv/bin/python" install --quiet --no-deps --require-hashes \
    --only-binary :all: --requirement "$2"

cd "$venv/lib/python3.11/site-packages"
find . -depth -type d \( -name tests -o -name include \) -exec rm -rf {} +
