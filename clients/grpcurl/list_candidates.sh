#!/bin/sh
# List every candidate: ready or not, why, until when, and what is left of its quota.
set -eu
exec grpcurl -plaintext \
  "${ADDRESS:-127.0.0.1:50053}" pointsman.v1.ExecutorService/ListCandidates
