#!/bin/sh
# List every candidate: ready or not, why, until when, what is left of its quota, and what was wasted today.
set -eu
exec grpcurl -plaintext -emit-defaults \
  "${ADDRESS:-127.0.0.1:50053}" pointsman.v1.ExecutorService/ListCandidates
