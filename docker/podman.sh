#!/usr/bin/env bash
# Podman on a plain Debian machine, by root and without an image registry:
#
#   docker/podman.sh install   Debian's packages, where they are missing
#   docker/podman.sh base      a base image from Debian's packages: localhost/groundshift-base
#   docker/podman.sh start     the service with Docker's API; tells its DOCKER_HOST
#   docker/podman.sh env       what a shell needs for `podman` and Docker's clients: eval "$(...)"
#   docker/podman.sh stop      end the service
#
# GROUNDSHIFT_PODMAN names the folder of its socket and settings.
set -euo pipefail

BASE=localhost/groundshift-base
STATE=${GROUNDSHIFT_PODMAN:-/run/groundshift-podman}
SOCKET=$STATE/podman.sock
export CONTAINERS_CONF=$STATE/containers.conf

# Containers share the machine's network (a plain machine has no bridge), limits stay below those
# of a process without CAP_SYS_RESOURCE, and cgroups are used without systemd.
settings() {
    mkdir -p "$STATE"
    cat > "$CONTAINERS_CONF" <<-END
		[containers]
		default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
		netns = "host"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "runc"
	END
}

install() {
    local tool missing=()
    for tool in podman runc debootstrap; do
        command -v "$tool" > /dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} = 0 ] && return
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends -y "${missing[@]}"
}

base() {
    podman image exists "$BASE" && return
    local root
    root=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$root'" EXIT
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$root"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* \
        "$root"/usr/share/{info,locale,man}/* "$root"/var/log/*.log
    find "$root/usr/share/doc" ! -type d ! -name copyright -delete # licences stay
    tar -C "$root" --numeric-owner -c . | podman import --quiet - "$BASE"
}

answers() { curl -sf --unix-socket "$SOCKET" http://podman/_ping > /dev/null; }

start() {
    if ! answers; then
        # conmon notes in its working folder which container ran out of memory.
        (cd "$STATE" && exec setsid podman --runtime runc system service -t 0 "unix://$SOCKET") \
            < /dev/null > "$STATE/service.log" 2>&1 &
        echo $! > "$STATE/service.pid"
        for _ in $(seq 50); do
            answers && break
            sleep 0.2
        done
        answers || { cat "$STATE/service.log" >&2; exit 1; }
    fi
    echo "DOCKER_HOST=unix://$SOCKET"
}

stop() {
    [ -f "$STATE/service.pid" ] || return 0
    kill "$(cat "$STATE/service.pid")" 2> /dev/null || true
    rm -f "$STATE/service.pid" "$SOCKET"
}

show() {
    echo "export CONTAINERS_CONF=$CONTAINERS_CONF"
    echo "export DOCKER_HOST=unix://$SOCKET"
}

case "${1:-}" in
    install) install ;;
    base) settings && base >&2 ;;
    start) settings && start ;;
    env) settings && show ;;
    stop) stop ;;
    *)
        sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
        exit 2
        ;;
esac
