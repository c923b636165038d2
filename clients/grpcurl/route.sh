#!/bin/sh
# Have a prompt answered. One field is enough; the answer comes with verdict, trail, tokens and cost.
set -eu
exec grpcurl -plaintext -d '{"text": "2+2는?"}' \
  "${ADDRESS:-127.0.0.1:50051}" pointsman.v1.RouterService/Route
