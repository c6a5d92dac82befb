# Two images: `serve`, the default, is the service; `train` trains and runs the MLflow server.
FROM python:3.12-slim-bookworm AS base
# LightGBM needs the OpenMP runtime.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 loan \
    && useradd --uid 10001 --gid loan --no-create-home --home-dir /var/lib/loan --shell /usr/sbin/nologin loan \
    && install -d -o loan -g loan /var/lib/loan /run/loan-secrets /run/database-secrets
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    ORT_DISABLE_TELEMETRY=1 \
    LOAN_HOME=/var/lib/loan \
    HOST=0.0.0.0 \
    PORT=5000
WORKDIR /app

# The libraries' own tests take a tenth of the space.
FROM base AS build-serve
COPY requirements/serve.txt requirements/
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv install --no-cache-dir --disable-pip-version-check --require-hashes \
       -r requirements/serve.txt \
    && find /opt/venv/lib -type d -name tests -prune -exec rm -rf {} +

# The larger image builds on the smaller one, so that shared packages are installed once.
FROM build-serve AS build-train
COPY requirements/train.txt requirements/
RUN pip --python /opt/venv install --no-cache-dir --disable-pip-version-check --require-hashes \
       -r requirements/train.txt \
    && find /opt/venv/lib -type d -name tests -prune -exec rm -rf {} +

FROM base AS train
# The image contains no checkout to read it from.
ARG GIT_COMMIT=
LABEL org.opencontainers.image.title="loan-trainer" \
      org.opencontainers.image.description="Trains, compares, registers and promotes loan approval models." \
      org.opencontainers.image.revision="$GIT_COMMIT"
COPY --from=build-train /opt/venv /opt/venv
COPY loan_api loan_api
COPY training training
COPY dataset dataset
COPY features.toml ./
ENV GIT_COMMIT=$GIT_COMMIT
USER 10001:10001
CMD ["python", "-m", "training", "run", "--unless-in-production"]

FROM base AS serve
ARG GIT_COMMIT=
LABEL org.opencontainers.image.title="loan-api" \
      org.opencontainers.image.description="Decides loan applications with the model in Production." \
      org.opencontainers.image.revision="$GIT_COMMIT"
COPY --from=build-serve /opt/venv /opt/venv
COPY loan_api loan_api
COPY migrations migrations
COPY wsgi.py gunicorn.conf.py features.toml ./
ENV GIT_COMMIT=$GIT_COMMIT
USER 10001:10001
EXPOSE 5000
STOPSIGNAL SIGTERM
# Check liveness, not readiness: restarting does not help a container that waits for a model.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-IS", "loan_api/entrypoints/server/probe.py", "/health/live"]
CMD ["python", "-m", "loan_api", "serve"]
