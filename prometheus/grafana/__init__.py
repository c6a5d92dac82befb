"""The Grafana dashboards. They are declared here; `python -m prometheus.grafana` writes the JSON that Grafana reads."""
