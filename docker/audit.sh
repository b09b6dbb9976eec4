#!/bin/sh
# audit.sh FOLDER: look at the environment of the image this runs in.
set -eu
mkdir -p "$1"
cd "$1"
tools=/opt/audit/bin
python=/opt/venv/bin/python3
if [ -s /run/secrets/ca.crt ]; then export REQUESTS_CA_BUNDLE=/run/secrets/ca.crt; fi

"$tools/cyclonedx-py" environment --output-reproducible --output-file sbom.cdx.json "$python"
"$tools/pip-licenses" --python "$python" --format json --with-urls --output-file licences.json
dpkg-query --show > debian.txt
# It fails where it finds some, and where it can't look: then there is no list.
"$tools/pip-audit" --path "$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    --progress-spinner off --timeout 15 --format json --output vulnerabilities.json \
    2> vulnerabilities.log || true
