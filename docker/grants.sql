-- Gives the nightly run the rights that it needs and no others. It can be run again at any time.
--
--   psql -v cdm=cdm -v vocabulary=vocabulary -v results=omop_scorer -f docker/grants.sql -d omop
--
-- variable    default      what it names
-- role        omop_scorer  the role of the nightly run; created if it does not exist
-- cdm         cdm          schema of the CDM; '' if this database holds only the results
-- vocabulary  that of cdm  schema of the vocabulary
-- results     omop_scorer  schema of the results; created if it does not exist; '' if they go elsewhere
-- loader      none         role that loads the CDM; the tables that it creates later can be read too
-- readers     none         role of the analysts, who may read the results; created if it does not exist
--
-- Run it as a superuser, or as a role that may create roles, may grant on both schemas, and is a
-- member of `loader` and `role`. Either all of it is applied or nothing.
-- A schema of results that belongs neither to a superuser nor to a role of which `role` is a member
-- is given to `role`: whoever else owns it could exchange the tables that the run writes to.
-- A new role has no password. Set one with \password omop_scorer, which sends only the hash (on
-- PostgreSQL 13 after SET password_encryption = 'scram-sha-256', otherwise the hash is md5).
-- To make an analyst a reader: GRANT omop_reader TO analyst.
-- A loader that drops the schema itself, not only its tables, drops these rights too: run the script
-- again. The script takes no rights from PUBLIC; on PostgreSQL 13 and 14 every role, also this one,
-- may still create tables in the schema public.

\set ON_ERROR_STOP on
\if :{?role}
\else
  \set role omop_scorer
\endif
\if :{?cdm}
\else
  \set cdm cdm
\endif
\if :{?vocabulary}
\else
  \set vocabulary :cdm
\endif
\if :{?results}
\else
  \set results omop_scorer
\endif
\if :{?loader}
\else
  \set loader ''
\endif
\if :{?readers}
\else
  \set readers ''
\endif

SELECT
  current_database() AS database,
  :'cdm' <> '' AS has_cdm,
  :'results' <> '' AS has_results,
  :'loader' <> '' AS has_loader,
  :'readers' <> '' AS has_readers
\gset

BEGIN;

-- Refuse variables that would give or take more rights than the run needs.
SELECT format('DO %L', format('BEGIN RAISE EXCEPTION USING MESSAGE = %L; END', refusal))
FROM (
  SELECT format('the role %I is a superuser or may create roles or databases: name another', rolname)
  FROM pg_catalog.pg_roles
  WHERE rolname IN (:'role', :'readers')
    AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
  UNION ALL
  SELECT format('the role %I owns the schema %I of the CDM: name another', rolname, nspname)
  FROM pg_catalog.pg_namespace INNER JOIN pg_catalog.pg_roles ON pg_roles.oid = nspowner
  WHERE rolname IN (:'role', :'readers') AND nspname IN (:'cdm', :'vocabulary')
  UNION ALL
  SELECT format('the results cannot go to the schema %I: it holds the CDM', :'results')
  WHERE :'results' IN (:'cdm', :'vocabulary') AND :'results' <> ''
  UNION ALL
  SELECT format('the readers cannot be the role %I itself', :'role') WHERE :'role' = :'readers'
) AS refused (refusal)
LIMIT 1
\gexec

SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'role')
\gexec

GRANT CONNECT ON DATABASE :"database" TO :"role";

\if :has_cdm
  -- An earlier release of this script granted it.
  REVOKE TEMPORARY ON DATABASE :"database" FROM :"role";
  REVOKE ALL ON SCHEMA :"cdm", :"vocabulary" FROM :"role";
  REVOKE ALL ON ALL TABLES IN SCHEMA :"cdm", :"vocabulary" FROM :"role";
  GRANT USAGE ON SCHEMA :"cdm", :"vocabulary" TO :"role";
  GRANT SELECT ON ALL TABLES IN SCHEMA :"cdm", :"vocabulary" TO :"role";
  \if :has_loader
    ALTER DEFAULT PRIVILEGES FOR ROLE :"loader" IN SCHEMA :"cdm", :"vocabulary"
      GRANT SELECT ON TABLES TO :"role";
  \endif
\endif

\if :has_results
  SELECT format('CREATE SCHEMA %I', :'results')
  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = :'results')
  \gexec
  -- The run writes to no schema of another role, unless that is a superuser, or a role of which the
  -- run's is a member.
  SELECT format('ALTER SCHEMA %I OWNER TO %I', nspname, :'role')
  FROM pg_catalog.pg_namespace
  INNER JOIN pg_catalog.pg_roles AS owner ON owner.oid = nspowner
  WHERE nspname = :'results' AND NOT owner.rolsuper
    AND NOT pg_catalog.pg_has_role(:'role'::name, owner.oid, 'MEMBER')
  \gexec
  GRANT USAGE, CREATE ON SCHEMA :"results" TO :"role";
  \if :has_readers
    SELECT format('CREATE ROLE %I NOLOGIN', :'readers')
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'readers')
    \gexec
    GRANT CONNECT ON DATABASE :"database" TO :"readers";
    GRANT USAGE ON SCHEMA :"results" TO :"readers";
    GRANT SELECT ON ALL TABLES IN SCHEMA :"results" TO :"readers";
    ALTER DEFAULT PRIVILEGES FOR ROLE :"role" IN SCHEMA :"results"
      GRANT SELECT ON TABLES TO :"readers";
  \endif
\endif

COMMIT;
