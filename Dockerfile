# Two images from one file: `train`, which runs once, and `serve`, the service (the default).
FROM python:3.12-slim-bookworm AS base
# LightGBM's models need the OpenMP runtime.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 loan \
    && useradd --uid 10001 --gid loan --no-create-home --home-dir /var/lib/loan --shell /usr/sbin/nologin loan \
    && install -d -o loan -g loan /var/lib/loan /run/loan-secrets
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOAN_HOME=/var/lib/loan \
    HOST=0.0.0.0
WORKDIR /app

FROM base AS build-serve
COPY requirements/serve.txt requirements/
RUN python -m venv /opt/venv \
    && pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/serve.txt

# The widest of the two goes on where the other ended, so that what they share is installed once.
FROM build-serve AS build-train
COPY requirements/train.txt requirements/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/train.txt

FROM base AS train
COPY --from=build-train /opt/venv /opt/venv
COPY loan_api loan_api
COPY training training
COPY dataset dataset
# There is no checkout in the image to ask.
ARG GIT_COMMIT=
ENV GIT_COMMIT=$GIT_COMMIT
USER 10001:10001
CMD ["python", "-m", "training", "run", "--unless-in-production"]

FROM base AS serve
LABEL org.opencontainers.image.title="loan-api" \
      org.opencontainers.image.description="Decides loan applications with the model that is in production."
COPY --from=build-serve /opt/venv /opt/venv
COPY loan_api loan_api
COPY migrations migrations
COPY wsgi.py gunicorn.conf.py ./
USER 10001:10001
EXPOSE 5000
STOPSIGNAL SIGTERM
# Alive, not ready: a container without a model waits for one and must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "loan_api.probe"]
CMD ["python", "-m", "loan_api", "serve"]
