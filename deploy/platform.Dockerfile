# Web, worker and scheduler: one image, three commands (docker-compose.yml). Any Debian 13 will do as its base.
ARG BASE=debian:trixie-slim
FROM ${BASE}

# Certificates that this network needs besides (a proxy that opens TLS), as *.crt; usually none.
COPY deploy/certificates /usr/local/share/ca-certificates/
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv postgresql-client \
    && update-ca-certificates \
    && rm -rf /var/lib/apt/lists/*

ENV PATH=/opt/selfsmith/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    LITELLM_LOCAL_MODEL_COST_MAP=True \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    SELFSMITH_STATIC=/opt/selfsmith/static-collected
WORKDIR /opt/selfsmith
COPY . .
# The installer's own steps: packages as uv.lock says, what pages load as package-lock.json says, all gathered for serving.
# Icons are read from node_modules when pages are drawn, so that it stays.
RUN python3 platform/installer assemble && rm -rf "$HOME"/.cache "$HOME"/.npm
