# PostgreSQL, Redis and Caddy from Debian's packages: one image, three commands (engines.sh). For installations that bring none
# of their own; nothing here is particular to Selfsmith but roles.sql.
ARG BASE=debian:trixie-slim
FROM ${BASE}

RUN mkdir -p /etc/postgresql-common/createcluster.d \
    && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.d/selfsmith.conf \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ca-certificates postgresql redis-server caddy \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/engines.sh deploy/roles.sql deploy/Caddyfile /opt/engines/
ENTRYPOINT ["/bin/bash", "/opt/engines/engines.sh"]
