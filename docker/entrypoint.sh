#!/bin/bash
# Runs a command, with secrets from files: a variable NAME_FILE becomes NAME, with the content of the file that it names.
# So a secret is in the environment of the process that needs it, and not in the definition of the container.
set -euo pipefail

for name in MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY MLFLOW_TRACKING_PASSWORD; do
    file="${name}_FILE"
    if [ -n "${!file:-}" ]; then
        [ -r "${!file}" ] || { echo "$file names ${!file}, which cannot be read: run docker/secrets.sh" >&2; exit 2; }
        export "$name=$(<"${!file}")"
    fi
done
exec "$@"
