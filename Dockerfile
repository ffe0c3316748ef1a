# lastunit in a container: daemon and gateway, a plain user, every dependency pinned by hash.
#
#   docker build -t lastunit .
#   docker run --rm lastunit demo
#
# For a reproducible base, name it by digest: --build-arg PYTHON=python:3.13-slim-bookworm@sha256:...
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# The tools that build the wheel come from the development lock, so that they are pinned too; none of them is shipped.
COPY requirements-dev.lock ./
RUN python -m venv /build && /build/bin/pip install --require-hashes -r requirements-dev.lock

COPY requirements.lock ./
RUN python -m venv /opt/lastunit && /opt/lastunit/bin/pip install --require-hashes -r requirements.lock

COPY pyproject.toml README.md ./
COPY adapters adapters
COPY config config
COPY engine engine
COPY ops ops
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/lastunit/bin/pip install --no-deps --no-index --find-links /wheels lastunit \
 && /opt/lastunit/bin/pip check \
 && /opt/lastunit/bin/pip uninstall --yes pip


FROM ${PYTHON}
LABEL org.opencontainers.image.title="lastunit" \
      org.opencontainers.image.description="The last unit is never sold twice." \
      org.opencontainers.image.licenses="Apache-2.0"

# A fixed id, so that files on the host (secrets, a bind mount) can be given to it.
RUN groupadd --system --gid 10001 lastunit \
 && useradd --system --uid 10001 --gid lastunit --home-dir /var/lib/lastunit --shell /usr/sbin/nologin lastunit \
 && install -d -o lastunit -g lastunit -m 0700 /var/lib/lastunit \
 && install -d -m 0755 /etc/lastunit
COPY --from=build /opt/lastunit /opt/lastunit

# Never PYTHONOPTIMIZE or -O here: assertions guard the books, and the daemon refuses to start without them.
ENV PATH=/opt/lastunit/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LASTUNIT_CONFIG=/etc/lastunit/lastunit.toml \
    LASTUNIT_READYZ=http://127.0.0.1:8480/readyz

USER lastunit
WORKDIR /var/lib/lastunit
# node.data = "/var/lib/lastunit" in the configuration. A volume on a local disk: SQLite and network mounts do not agree.
VOLUME /var/lib/lastunit
EXPOSE 8480

# Not ready: the daemon is away, or its journal cannot be written. `/readyz` says which.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['LASTUNIT_READYZ'], timeout=4)"]

# No shell and no init in between: the daemon is process 1, hears SIGTERM itself, and ends its gateway before it ends.
STOPSIGNAL SIGTERM
ENTRYPOINT ["lastunit"]
CMD ["run"]
