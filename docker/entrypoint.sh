#!/bin/bash
# Runs a command, with secrets from files: a variable NAME_FILE becomes NAME, with the content of the file that it names.
# So a secret is in the environment of the process that needs it, and not in the definition of the container.
set -euo pipefail

files=(MLFLOW_AUTH_ADMIN_PASSWORD_FILE MLFLOW_FLASK_SERVER_SECRET_KEY_FILE MLFLOW_TRACKING_PASSWORD_FILE)
for file in "${files[@]}" "${!NIGHTSHIFT_SERVING__TOKENS__@}"; do
    if [[ $file == *_FILE && -n "${!file:-}" ]]; then
        [ -r "${!file}" ] || { echo "$file names ${!file}, which cannot be read: run docker/secrets.sh" >&2; exit 2; }
        export "${file%_FILE}=$(<"${!file}")"
        unset "$file"
    fi
done

# SageMaker starts a container by the command `serve`, with an archive unpacked in /opt/ml/model, and admits callers
# itself, unless callers are named. It asks on port 8080, or on another one that it names.
if [ "${1:-}" = serve ]; then
    callers="${!NIGHTSHIFT_SERVING__TOKENS@}${NIGHTSHIFT_SERVING__IDENTITY_HEADER:-}"
    [ -n "$callers" ] || export NIGHTSHIFT_SERVING__OPEN=true
    if [ -n "${SAGEMAKER_MODEL_SERVER_TIMEOUT:-}" ]; then
        export NIGHTSHIFT_SERVING__TIMEOUT="$SAGEMAKER_MODEL_SERVER_TIMEOUT"
    fi
    set -- nightshift serve --archive /opt/ml/model --host 0.0.0.0 --port "${SAGEMAKER_BIND_TO_PORT:-8080}"
fi
exec "$@"
