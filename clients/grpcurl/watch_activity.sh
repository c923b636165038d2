#!/bin/sh
# See what the last minute looked like, twice a second for two seconds. The end of that time is not a failure.
set -eu
status=0
grpcurl -plaintext -max-time "${SECONDS_WATCHED:-2}" -d '{"interval": "0.5s"}' \
  "${ADDRESS:-127.0.0.1:50053}" pointsman.v1.ExecutorService/WatchActivity || status=$?
[ "$status" -eq 68 ] # 64 and the code of DEADLINE_EXCEEDED, 4
