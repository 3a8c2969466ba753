#!/bin/bash
# As much of the official image's start as compose.yaml uses: an empty folder becomes a cluster, and what lies in
# /docker-entrypoint-initdb.d runs in it once, before anybody can connect over the network.
set -euo pipefail
export PATH=$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username postgres --pwfile "$POSTGRES_PASSWORD_FILE" --auth-local trust --auth-host scram-sha-256 -E UTF8
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl start --wait -o "-c listen_addresses=''"
    for script in /docker-entrypoint-initdb.d/*.sh; do bash "$script"; done
    pg_ctl stop --wait
fi
exec postgres -c listen_addresses='*' "$@"
