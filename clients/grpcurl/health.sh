#!/bin/sh
# Ask a server whether it takes work; the empty service is the server as a whole. All three have this.
set -eu
exec grpcurl -plaintext -d '{"service": ""}' \
  "${ADDRESS:-127.0.0.1:50051}" grpc.health.v1.Health/Check
