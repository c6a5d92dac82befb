#!/usr/bin/env bash
# Start the composed system and verify that it decides, records, is monitored and is locked down, and that no decision
# is lost when the service restarts or stops.
# Needs a running container engine, docker and a compose command (COMPOSE, `docker compose` by default). Builds the
# images first. POSTGRES_IMAGE may name a folder with a Dockerfile that builds a substitute for the PostgreSQL image.
set -euo pipefail
cd "$(dirname "$0")/../.."
compose=(${COMPOSE:-docker compose} --project-name loan-smoke)
export PORT=${PORT:-5000} MLFLOW_PORT=${MLFLOW_PORT:-5011} PROMETHEUS_PORT=${PROMETHEUS_PORT:-9090}
export ALERTMANAGER_PORT=${ALERTMANAGER_PORT:-9093}
api=http://127.0.0.1:$PORT
mlflow=http://127.0.0.1:$MLFLOW_PORT
prometheus=http://127.0.0.1:$PROMETHEUS_PORT
alertmanager=http://127.0.0.1:$ALERTMANAGER_PORT
application='{"no_of_dependents": 2, "education": "Graduate", "self_employed": "Yes", "income_annum": 100000,
  "loan_amount": 500000, "loan_term": 20, "cibil_score": 750, "residential_assets_value": 1200000,
  "commercial_assets_value": 500000, "luxury_assets_value": 100000, "bank_asset_value": 200000}'
work=$(mktemp -d)
export GIT_COMMIT; GIT_COMMIT=$(git rev-parse HEAD)

say() { printf 'containers: %s\n' "$*"; }
fail() { say "FAILED: $*"; "${compose[@]}" ps --all; "${compose[@]}" logs --tail 30; exit 1; }
wait_for() { # wait_for SECONDS CONDITION COMMAND...
  local seconds=$1 condition=$2; shift 2
  for _ in $(seq $((seconds * 2))); do if "$@" >/dev/null 2>&1; then say "$condition"; return; fi; sleep 0.5; done
  fail "not within $seconds s: $condition"
}
status_of() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
decide() { curl -sf --max-time 10 "$api/predict" -H 'Content-Type: application/json' -d "$application"; }
decides() { decide | grep -q '"prediction":1'; }
in_service() { local service=$1; shift; "${compose[@]}" exec -T "$service" "$@"; }
query() { curl -sf --user "prometheus:$(in_service api cat /run/loan-secrets/prometheus_password)" "$@"; }
is_scraped() { query "$prometheus"/api/v1/query --data-urlencode 'query=up{job="loan_api"}' | grep -q '"1"\]'; }
is_alerted() { query "$alertmanager"/api/v2/alerts | grep -q '"Watchdog"'; }
decide_until_stopped() { # records the id of every answered decision; retries failed requests
  while [ ! -e "$work/stop" ]; do
    decide | grep -o '"decision_id":"[^"]*"' | cut -d'"' -f4 >>"$work/answered" || sleep 0.1
  done
}
recorded_decisions() { in_service postgres psql --username loan --dbname decisions -Atc 'SELECT id FROM decisions'; }

build() { DOCKER_BUILDKIT=1 docker build --quiet --network host "$@" >/dev/null; }
build_all() {
  build --target serve --tag loan-api --build-arg GIT_COMMIT .
  build --target train --tag loan-trainer --build-arg GIT_COMMIT .
  if [ -n "${POSTGRES_IMAGE:-}" ]; then
    build --tag "$(sed -n 's/.*image: \(postgres:.*\)/\1/p' docker-compose.yml)" "$POSTGRES_IMAGE"
  fi
  say "built images: $(docker image inspect --format '{{.Size}}' loan-api loan-trainer | paste -sd' ') bytes"
}

build_all
[ "${1:-}" != build ] || exit 0

trap 'touch "$work/stop"; "${compose[@]}" down --volumes >/dev/null 2>&1; rm -r "$work"' EXIT
"${compose[@]}" --profile grafana config --quiet
"${compose[@]}" up --detach --no-build --wait >/dev/null 2>&1 || fail "compose up"
decides || fail "the service is up but does not decide"
say "the service decides over the published port"
curl -sf "$api/health" | grep -q '"status":"healthy"' || fail "health"
curl -sf "$api/model" | grep -q "\"git_commit\":\"$GIT_COMMIT\"" || fail "the model does not name its commit"
curl -sf "$mlflow/api/2.0/mlflow/registered-models/get?name=loan_approval_model" | grep -q '"champion"' ||
  fail "MLflow does not show the model"
say "MLflow shows the model"

for path in "$api/metrics" "$prometheus" "$alertmanager"; do
  [ "$(status_of "$path")" = 401 ] || fail "$path does not require a password"
done
wait_for 60 "Prometheus scrapes the service with basic authentication" is_scraped
wait_for 90 "an alert reaches Alertmanager" is_alerted

for service in api mlflow; do
  [ "$(in_service $service id -u)" = 10001 ] || fail "$service does not run as uid 10001"
  if in_service $service sh -c 'touch /app/file || touch /opt/venv/file' 2>/dev/null; then
    fail "the root file system of $service is writable"
  fi
  if in_service $service sh -c 'command -v gcc cc make' >/dev/null; then fail "$service has build tools"; fi
  in_service $service grep -q '^CapEff:\s*0000000000000000$' /proc/1/status || fail "$service has capabilities"
  if docker inspect --format '{{json .Config.Env}}' "$("${compose[@]}" ps --quiet $service)" | grep -qi 'password=\|://[^"]*:[^"/]*@'; then
    fail "the environment of $service contains a password"
  fi
done
say "uid 10001, read-only root file system, no capabilities, no build tools, no password in the environment"

decide_until_stopped & client=$!
wait_for 30 "a client requests decisions continuously" test -s "$work/answered"
"${compose[@]}" restart api >/dev/null 2>&1
wait_for 60 "the service decides again after a restart" decides
"${compose[@]}" stop api >/dev/null 2>&1
code=$(docker inspect --format '{{.State.ExitCode}}' "$("${compose[@]}" ps --all --quiet api)")
[ "$code" = 0 ] || fail "the service stopped with exit code $code"
touch "$work/stop"; wait $client || true
recorded_decisions | sort >"$work/recorded"
lost=$(sort "$work/answered" | comm -23 - "$work/recorded" | wc -l)
[ "$lost" = 0 ] || fail "$lost of $(wc -l <"$work/answered") decisions are not on record"
say "the service stops cleanly; all $(wc -l <"$work/answered") answered decisions are on record"
