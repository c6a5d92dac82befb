"""Write the JSON files of the dashboards."""

from prometheus.grafana.files import write_all

if __name__ == "__main__":
    write_all()
