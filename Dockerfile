# One image for all services; compose says which of them a container is.
#
# Two stages, so that no installer and no cache is left in what runs. Packages come from the lock
# by their sums, as wheels only.
FROM python:3.13-slim AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY locks/runtime.txt /tmp/runtime.txt
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install \
        --require-hashes --only-binary :all: -r /tmp/runtime.txt

FROM python:3.13-slim
LABEL org.opencontainers.image.title="tallystick" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --system --gid 10001 tallystick \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin tallystick \
    && install -d -o 10001 -g 10001 /archive
COPY --from=packages /opt/venv /opt/venv
COPY LICENSE /app/LICENSE
COPY shared /app/shared
COPY services /app/services
COPY sandbox /app/sandbox
COPY oracle /app/oracle
COPY tallystick /app/tallystick
# Compiled once here: the root file system is read-only when it runs.
RUN python -m compileall -q --invalidation-mode unchecked-hash /app

# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["python"]
CMD ["-m", "tallystick", "--help"]
