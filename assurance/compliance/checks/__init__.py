"""Every live check.  To add one: write it in the module of what it looks at."""

from assurance.compliance.checks.books import BOOKS
from assurance.compliance.checks.cluster import CLUSTER
from assurance.compliance.checks.database import DATABASE
from assurance.compliance.checks.deployed import DEPLOYED
from assurance.compliance.checks.model import Check
from assurance.compliance.checks.records import RECORDS

CHECKS: dict[str, Check] = {
    check.name: check for check in (*DEPLOYED, *DATABASE, *BOOKS, *CLUSTER, *RECORDS)
}
