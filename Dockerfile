# syntax=docker/dockerfile:1
# The workers' image: `docker run IMAGE worker openai`.
FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/homa
# Pinned requirements first: a change of Homa's own code reuses this layer.
COPY requirements/runtime.txt requirements/build.txt requirements/
# Nothing is resolved: the locks are complete, and the check says so.
RUN /opt/homa/bin/pip install --no-deps --require-hashes --only-binary=:all: -r requirements/runtime.txt \
    && /opt/homa/bin/pip check \
    && pip install --no-deps --require-hashes --only-binary=:all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY producer producer
COPY shared shared
COPY workers workers
RUN hatchling build -t wheel && /opt/homa/bin/pip install --no-deps --no-index dist/*.whl \
    && /opt/homa/bin/pip check

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 homa
COPY --from=build /opt/homa /opt/homa
ENV PATH=/opt/homa/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/homa
# Where HOMA_METRICS_PORT is set: the worker's event loop has turned within the time that leases are kept.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; p = os.environ.get('HOMA_METRICS_PORT'); p and u.urlopen(f'http://127.0.0.1:{p}/livez', timeout=3)"]
# No shell in between: SIGTERM reaches the worker itself, which drains.
ENTRYPOINT ["homa"]
CMD ["--help"]
