"""Which resources hold what a new one would not: what is lost with each."""

import re

VERSION = re.compile(r"(?<=[/_])v\d\w*(?=:)")
PACKAGE = re.compile(r"^azure-native_\w+(?=:)")


def bare(type_: str) -> str:
    """Return a type without the version of its API, by which a program may ask for it, too.

    ``azure-native:x/v20240801:Y`` and ``azure-native_x_v20240801:x:Y`` are ``azure-native:x:Y``.
    """
    return VERSION.sub("", PACKAGE.sub("azure-native", type_)).replace("/:", ":")


SERVER = "azure-native:dbforpostgresql:Server"
KEY = "azure-native:keyvault:Key"
DISK_SET = "azure-native:compute:DiskEncryptionSet"
SCHEMA = "pulumi-python:dynamic/memory:VectorSchema"

HOLDINGS = {
    SERVER: "every database on it, and its backups",
    "azure-native:dbforpostgresql:Database": "all tables of the database",
    SCHEMA: "the tables of the schema, where `delete_data` is set",
    "azure-native:keyvault:Vault": "keys and secrets; without its keys no data can be read",
    KEY: "the only way to read what it encrypts",
    "azure-native:keyvault:Secret": "a password that others may use",
    DISK_SET: "the way to read the disks of the cluster",
    "azure-native:containerservice:ManagedCluster": "every workload, and its volumes",
    "azure-native:operationalinsights:Workspace": "logs and the audit trail",
    "azure-native:resources:ResourceGroup": "everything in it",
    "azure-native:network:VirtualNetwork": "every private address",
    "azure-native:network:PrivateEndpoint": "the only way to the server or the vault",
    "kubernetes:core:Namespace": "every workload and volume in it",
    "kubernetes:core:PersistentVolumeClaim": "the volume's files",
    "kubernetes:core:PersistentVolume": "the volume's files",
    "kubernetes:apps:StatefulSet": "its pods; their volumes stay",
    "random:index/randomString:RandomString": "the names of vault and server, which end in it",
    "random:index/randomPassword:RandomPassword": "a password; whoever knows the old one is out",
}
"""By bare type: what it holds.  What is not here can be made again from the program."""

INTERRUPTIONS = {
    (SERVER, "sku"): "Azure restarts the server for another size: every connection breaks, and "
    "new ones wait for some minutes, with a standby for less",
    (SERVER, "version"): "a major version is upgraded in place: the server is down meanwhile",
    (SERVER, "highAvailability"): "the standby is made or removed; writes are slower meanwhile",
}
"""By type and first property: what whoever uses it notices while it is changed."""
