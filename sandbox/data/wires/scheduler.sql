-- database: shop
-- as: master
CREATE SCHEMA pgagent

CREATE TABLE pgagent.pga_job (jobid int, jobname text, jobenabled boolean)
