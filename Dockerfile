# syntax=docker/dockerfile:1
# The workers' image: `docker run IMAGE worker openai`.
FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Without pip, which nobody calls there; the image's own installs into it.
RUN python -m venv --without-pip /opt/homa
# Pinned requirements first: a change of Homa's own code reuses this layer.
COPY requirements/runtime.txt requirements/build.txt requirements/
# Nothing is resolved: the locks are complete, and the check says so.
RUN pip --python /opt/homa/bin/python install --no-deps --require-hashes --only-binary=:all: -r requirements/runtime.txt \
    && pip --python /opt/homa/bin/python check \
    && pip install --no-deps --require-hashes --only-binary=:all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY producer producer
COPY shared shared
COPY workers workers
RUN hatchling build -t wheel && pip --python /opt/homa/bin/python install --no-deps --no-index dist/*.whl \
    && pip --python /opt/homa/bin/python check
# What no process of Homa reads: packages' own tests, and AWS's services but Bedrock and those that credentials come from.
RUN cd /opt/homa/lib/python3*/site-packages \
    && find . -type d -name tests -prune -exec rm -rf {} + \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name bedrock-runtime ! -name signin ! -name sso \
        ! -name sso-oidc ! -name sts -prune -exec rm -rf {} +

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
