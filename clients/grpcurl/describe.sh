#!/bin/sh
# Show a message or a service as it stands in the protos (by reflection).
set -eu
exec grpcurl -plaintext "${ADDRESS:-127.0.0.1:50051}" describe "${SYMBOL:-pointsman.v1.RouteRequest}"
