"""Import of other tools' rules: Argo Rollouts, Flagger and Prometheus alerting rules become rule files."""
