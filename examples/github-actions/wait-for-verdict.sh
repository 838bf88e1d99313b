#!/usr/bin/env bash
# Waits for what Rollback Sentinel decides of a release, and says so.
#
#   wait-for-verdict.sh NAMESPACE DEPLOYMENT IMAGE [SECONDS]
#
# Ends with 0: promoted; 1: undone; 2: held, superseded or not judged, so that a human should look; 3: no verdict
# within SECONDS (1800); 4: called wrongly. Needs kubectl, and the right to list rolloutrecords in the namespace.
set -euo pipefail

if [ $# -lt 3 ] || [ $# -gt 4 ]; then
    echo "usage: $0 NAMESPACE DEPLOYMENT IMAGE [SECONDS]" >&2
    exit 4
fi
namespace=$1 deployment=$2 image=$3 limit=${4:-1800}
pause=${PAUSE_SECONDS:-5}
columns='{range .items[*]}{.spec.candidate.images[*]}{"\t"}{.status.phase}{"\t"}{.status.message}{"\n"}{end}'
ends=$((SECONDS + limit))
shown="nothing"

while [ "$SECONDS" -le "$ends" ]; do
    # The newest last. An API server that is away for a moment is asked again.
    records=$(kubectl -n "$namespace" get rolloutrecords \
        -l "rollback-sentinel.dev/workload=$deployment" --sort-by=.metadata.creationTimestamp \
        -o "jsonpath=$columns") || records=""
    phase="" message=""
    while IFS=$'\t' read -r images found said; do
        case " $images " in *" $image "*) phase=$found message=$said ;; esac
    done <<<"$records"
    if [ "$phase: $message" != "$shown" ]; then
        shown="$phase: $message"
        echo "$deployment: ${phase:-no record yet}${message:+, $message}"
    fi
    case "$phase" in
        Promoted) exit 0 ;;
        Undone | Failed) exit 1 ;;
        Held | Superseded | Unjudged) exit 2 ;;
    esac
    sleep "$pause"
done
echo "$deployment: no verdict on $image within $limit s; is it guarded? kubectl -n $namespace get rolloutrecords" >&2
exit 3
