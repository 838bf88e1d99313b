# syntax=docker/dockerfile:1
#
#   docker buildx build --platform linux/amd64,linux/arm64 --sbom=true --provenance=true -t rollback-sentinel .
#
# Everything that goes in is pinned by its hash: the base image below (an index of all platforms), the packages in
# requirements.lock, and what builds our own wheel in requirements-build.lock. `make lock` renews the locks.
ARG PYTHON_IMAGE=python:3.13.15-slim-bookworm@sha256:2325bb286ec344af3e5898cc224b5844e2707ac6e26b1632516fd3edc84a5e26

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HOME=/build
# Nothing of others runs as root, here neither.
RUN install -d -o 65532 -g 65532 /build /opt/sentinel
USER 65532:65532
WORKDIR /build

# The tools that make our wheel stay in this stage, in an environment of their own.
COPY requirements-build.lock ./
RUN python -m venv tools \
    && tools/bin/python -m pip install --require-hashes --only-binary :all: -r requirements-build.lock

# Wheels only: nothing is compiled, so that no compiler is needed on any platform.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/sentinel \
    && python -m pip --python /opt/sentinel/bin/python install \
        --require-hashes --no-deps --no-compile --only-binary :all: -r requirements.lock

# Compiled here, since at run time nothing can be written; by hash, so that file times do not matter. Once more without
# docstrings, for the daemon: they are 3 MiB of its memory. Which columns of a line an instruction stands for is half a MiB.
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY sentinel sentinel
COPY helm/rollback-sentinel/crds helm/rollback-sentinel/crds
RUN tools/bin/python -m hatchling build -t wheel -d wheel \
    && python -m pip --python /opt/sentinel/bin/python install --no-deps --no-compile --no-index wheel/*.whl \
    && /opt/sentinel/bin/python -W ignore -X no_debug_ranges -m compileall -q -o 0 -o 2 --invalidation-mode unchecked-hash /opt/sentinel/lib

FROM ${PYTHON_IMAGE}
ARG VERSION=0.2.0
ARG REVISION=unknown
ARG SOURCE=https://github.com/rollback-sentinel/rollback-sentinel
LABEL org.opencontainers.image.title="rollback-sentinel" \
      org.opencontainers.image.description="Judges Kubernetes rollouts by YAML rules and promotes or undoes them on its own." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"

# The base image's pip has nothing to do here.
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
    && groupadd --gid 65532 sentinel \
    && useradd --uid 65532 --gid sentinel --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sentinel

# Root's, so that the process cannot change its own program.
COPY --from=build --chown=0:0 /opt/sentinel /opt/sentinel
COPY rules/default.yaml /etc/rollback-sentinel/rules/default.yaml
COPY LICENSE NOTICE /licenses/

# The default settings look for rules/ where the process starts.
WORKDIR /etc/rollback-sentinel
ENV PATH=/opt/sentinel/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "sentinel.app.healthcheck"]
ENTRYPOINT ["python", "-P", "-OO", "-X", "no_debug_ranges", "-m", "sentinel.app.cli"]
CMD ["run"]
