#!/usr/bin/env bash
# Brings the composed system up and shows that it decides, is scraped, is locked down, and survives a restart.
# Needs a running engine, docker and a compose command (COMPOSE, `docker compose` by default); images are built first.
set -euo pipefail
cd "$(dirname "$0")/../.."
compose=(${COMPOSE:-docker compose} --project-name loan-smoke)
api=http://127.0.0.1:${PORT:-5000}
application='{"no_of_dependents": 2, "education": "Graduate", "self_employed": "Yes", "income_annum": 100000,
  "loan_amount": 500000, "loan_term": 20, "cibil_score": 750, "residential_assets_value": 1200000,
  "commercial_assets_value": 500000, "luxury_assets_value": 100000, "bank_asset_value": 200000}'

say() { printf 'containers: %s\n' "$*"; }
fail() { say "FAILED: $*"; "${compose[@]}" logs --tail 30; exit 1; }
wait_for() { # wait_for SECONDS WHAT COMMAND...
  local seconds=$1 what=$2; shift 2
  for _ in $(seq $((seconds * 2))); do if "$@" >/dev/null 2>&1; then say "$what"; return; fi; sleep 0.5; done
  fail "waited $seconds s: $what"
}
decides() { curl -sf "$api/predict" -H 'Content-Type: application/json' -d "$application" | grep -q '"prediction":1'; }
in_api() { "${compose[@]}" exec -T api "$@"; }
watch() { curl -sf --user "prometheus:$(in_api cat /run/loan-secrets/prometheus_password)" "$@"; }
is_scraped() { watch http://127.0.0.1:9090/api/v1/query --data-urlencode 'query=up{job="loan_api"}' | grep -q '"1"\]'; }
is_alerted() { watch http://127.0.0.1:9093/api/v2/alerts | grep -q '"Watchdog"'; }

DOCKER_BUILDKIT=1 docker build --quiet --network host --target serve --tag loan-api . >/dev/null
DOCKER_BUILDKIT=1 docker build --quiet --network host --target train --tag loan-trainer \
  --build-arg "GIT_COMMIT=$(git rev-parse HEAD)" . >/dev/null
say "images are built: $(docker image inspect --format '{{.Size}}' loan-api loan-trainer | paste -sd' ') bytes"

trap '"${compose[@]}" down --volumes >/dev/null 2>&1' EXIT
"${compose[@]}" up --detach --no-build >/dev/null 2>&1 || fail "compose up"
wait_for 120 "the service decides over the published port" decides
curl -sf "$api/health" | grep -q '"status":"healthy"' || fail "health"
curl -sf "$api/model" | grep -q "\"git_commit\":\"$(git rev-parse HEAD)\"" || fail "the model does not know its commit"
[ "$(curl -s -o /dev/null -w '%{http_code}' "$api/metrics")" = 401 ] || fail "/metrics is open"
wait_for 60 "Prometheus scrapes it through basic auth" is_scraped
wait_for 90 "an alert reaches Alertmanager" is_alerted
for port in 9090 9093; do
  [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/")" = 401 ] || fail "port $port is open"
done

[ "$(in_api id -u)" = 10001 ] || fail "it does not run as its own user"
if in_api sh -c 'touch /app/file || touch /opt/venv/file' 2>/dev/null; then fail "the root file system can be written to"; fi
if in_api sh -c 'command -v gcc cc make' >/dev/null; then fail "there are build tools in the image"; fi
say "it runs as uid 10001 on a read-only root, without build tools"

"${compose[@]}" restart api >/dev/null 2>&1
wait_for 60 "it decides again after a restart" decides
"${compose[@]}" stop api >/dev/null 2>&1
code=$(docker inspect --format '{{.State.ExitCode}}' "$("${compose[@]}" ps --all --quiet api)")
[ "$code" = 0 ] || fail "it stopped with exit code $code"
say "it stops cleanly"
