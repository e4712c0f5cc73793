#!/bin/bash
# What a container of the engines' image runs: postgres, redis or proxy. Data lies in /data, a volume of its own.
set -euo pipefail

run_postgres() {
    local programs password
    programs=$(echo /usr/lib/postgresql/*/bin)
    password=$(cat /run/secrets/database_password)
    mkdir -p /data /run/postgresql
    chown postgres: /data /run/postgresql
    chmod 700 /data
    if [ ! -s /data/made ]; then
        rm -rf /data/cluster
        runuser -u postgres -- "$programs/initdb" -D /data/cluster --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
        echo "host all all all scram-sha-256" >> /data/cluster/pg_hba.conf
        runuser -u postgres -- "$programs/pg_ctl" -D /data/cluster -w -o "-c listen_addresses=''" start
        runuser -u postgres -- psql --quiet --set=ON_ERROR_STOP=1 --set=password="$password" --file=/opt/engines/roles.sql
        runuser -u postgres -- "$programs/pg_ctl" -D /data/cluster -w -m fast stop
        date > /data/made
    fi
    exec runuser -u postgres -- "$programs/postgres" -D /data/cluster -c "listen_addresses=*" -c max_connections=200
}

run_redis() {
    mkdir -p /data
    chown redis: /data
    exec runuser -u redis -- redis-server --bind "0.0.0.0" --protected-mode no --dir /data --save "" --appendonly yes
}

case "${1:-}" in
    postgres) run_postgres ;;
    redis) run_redis ;;
    proxy) exec caddy run --config /opt/engines/Caddyfile --adapter caddyfile ;;
    *) echo "Say postgres, redis or proxy." >&2; exit 64 ;;
esac
