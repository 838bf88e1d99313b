#!/usr/bin/env bash
# Alertmanager 0.25.0 (amtool of Debian bookworm): in a route's matcher, single quotes become part of the value.
#
# Two routes, `severity='page'` and `severity="page"`, each alone in a configuration that `amtool check-config` accepts.
# `amtool config routes test` is asked where an alert with the label severity=page goes.
#
# Seen:
#   severity="page": pager
#   severity='page': default
#   severity='page', for an alert whose value has the quotes in it: pager
#
# Why it surprises: PromQL takes either kind of quotes for a string, and so does YAML around it. Here the line is valid,
# is checked without a word, and matches no alert that anybody sends: the pages go to the default receiver.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root prometheus-alertmanager=0.25.0-1+b4
dpkg-deb -x prometheus-alertmanager_*.deb .

route() { # matcher, label: the receiver that the label leads to
    cat >config.yml <<YAML
route:
  receiver: default
  routes:
    - receiver: pager
      matchers:
        - $1
receivers: [{name: default}, {name: pager}]
YAML
    usr/bin/amtool check-config config.yml >/dev/null
    usr/bin/amtool config routes test --config.file=config.yml "$2"
}

double=$(route 'severity="page"' severity=page)
single=$(route "severity='page'" severity=page)
literal=$(route "severity='page'" "severity='page'")
echo "severity=\"page\": $double"
echo "severity='page': $single"
echo "severity='page', for an alert whose value has the quotes in it: $literal"
[ "$double $single $literal" = "pager default pager" ]
