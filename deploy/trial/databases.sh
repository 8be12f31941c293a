#!/bin/bash
# First start of PostgreSQL: a database and a role for each service that keeps one; neither may enter the other's.
set -eu
for service in settings delivery; do
  psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set name="$service" --set password="$(cat "/run/secrets/${service}_database_password")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done
