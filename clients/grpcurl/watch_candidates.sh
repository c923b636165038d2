#!/bin/sh
# See every candidate, and each one again when it changes, for two seconds. The end of that time is not a failure.
set -eu
status=0
grpcurl -plaintext -max-time "${SECONDS_WATCHED:-2}" -d '{"category": "coding"}' \
  "${ADDRESS:-127.0.0.1:50053}" pointsman.v1.ExecutorService/WatchCandidates || status=$?
[ "$status" -eq 68 ] # 64 and the code of DEADLINE_EXCEEDED, 4
